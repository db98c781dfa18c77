import { Compositor, FramelockPlayer, type Frame, type FramelockEvents, type Overlay, type StatusChange } from "@framelock/player";
import { useEffect, useRef, type ReactNode } from "react";

/** Properties of FramelockVideo. A new `src` or `token` begins anew; the functions may change at any time. */
export interface FramelockVideoProps {
  /** WHEP URL of the stream. */
  src: string;
  token?: string;
  /** Paints over every frame, in the same paint as its picture. */
  overlay?: Overlay;
  /** An event on its frame. */
  onEvent?: (event: FramelockEvents["event"]) => void;
  onStatus?: (status: StatusChange) => void;
  /** The player, for `act`, `unmute` and all else; undefined once it is gone. */
  onPlayer?: (player: FramelockPlayer | undefined) => void;
}

/** A stream on a canvas. */
export function FramelockVideo(props: FramelockVideoProps): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const now = useRef(props);
  useEffect(() => {
    now.current = props;
  });
  const { src, token } = props;
  useEffect(() => {
    // Not React's: the player exchanges it for another one when it reconnects.
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    const player = new FramelockPlayer(video);
    const paint = (context: CanvasRenderingContext2D, frame: Frame) => now.current.overlay?.(context, frame);
    const compositor = new Compositor(player.framelock, canvas.current!, paint);
    player.framelock.events.on("event", (e) => now.current.onEvent?.(e));
    player.events.on("status", (s) => now.current.onStatus?.(s));
    player.start({ src, token });
    now.current.onPlayer?.(player);
    return () => {
      now.current.onPlayer?.(undefined);
      player.stop();
      compositor.close();
    };
  }, [src, token]);
  return <canvas ref={canvas} width={640} height={360} role="img" aria-label="Live video" />;
}
