import type { CodedEvents } from "./codedframes.js";

// Not in the DOM library. Chromium has it in pages, others in workers only.
interface Processor {
  readonly readable: ReadableStream<VideoFrame>;
}
declare const MediaStreamTrackProcessor: new (init: { track: MediaStreamTrack; maxBufferSize: number }) => Processor;

/** So many pictures wait for a page that is busy; older ones are lost. */
const BUFFERED = 10;

/** So many pictures in a row without a timestamp, and the track has none to give. */
const GIVE_UP_AFTER = 30;

// WebCodecs' VideoFrame.metadata() is not in every DOM library yet.
interface FrameWithMetadata extends VideoFrame {
  metadata(): { rtpTimestamp?: number };
}

/** Whether this browser gives a page the pictures of a track. */
export function canTap(): boolean {
  return typeof MediaStreamTrackProcessor === "function";
}

/**
 * The pictures that the browser's own decoder makes of a connection's video, every
 * one, with its RTP timestamp. An element shows the page only those that it paints.
 */
export class TrackPictures {
  private reader: ReadableStreamDefaultReader<VideoFrame> | undefined;
  private over = new AbortController(); // of the connection

  /** `unnamed` hears that the pictures carry no timestamps. */
  constructor(
    private readonly picture: (p: CodedEvents["picture"]) => void,
    private readonly unnamed: () => void,
  ) {}

  /** Takes the video of a connection, from its track's arrival on or, if it has come, from now on. */
  connect(pc: RTCPeerConnection): void {
    this.disconnect();
    this.over = new AbortController();
    let taken = false;
    const take = ({ track }: { track: MediaStreamTrack }): void => {
      if (taken || track.kind !== "video") return;
      taken = true;
      const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: BUFFERED });
      this.reader = readable.getReader();
      void this.read(this.reader).catch(() => undefined); // it ends with the track
    };
    pc.getReceivers().forEach(take);
    pc.addEventListener("track", ({ receiver }) => take(receiver), { signal: this.over.signal });
  }

  /** Takes nothing any more. */
  disconnect(): void {
    this.over.abort();
    void this.reader?.cancel().catch(() => undefined);
    this.reader = undefined;
  }

  private async read(reader: ReadableStreamDefaultReader<VideoFrame>): Promise<void> {
    for (let unnamed = 0; ; ) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      const rtp = (frame as FrameWithMetadata).metadata().rtpTimestamp;
      if (reader !== this.reader || rtp === undefined) frame.close();
      else this.picture({ rtp, at: performance.now(), frame });
      if (reader !== this.reader) return;
      unnamed = rtp === undefined ? unnamed + 1 : 0;
      if (unnamed === GIVE_UP_AFTER) return this.unnamed();
    }
  }
}
