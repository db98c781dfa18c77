import type { FramelockPlayer } from "@framelock/player";
import { StrictMode, useState, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { FramelockVideo } from "./FramelockVideo.js";

function Table(): ReactNode {
  const [player, setPlayer] = useState<FramelockPlayer>();
  const [status, setStatus] = useState("idle");
  const [last, setLast] = useState("");
  return (
    <main>
      <FramelockVideo
        src="https://relay.example/whep/wheel"
        onPlayer={setPlayer}
        onStatus={(s) => setStatus(s.status)}
        onEvent={({ event }) => event.kind === "outcome" && setLast(JSON.stringify(event.data))}
      />
      <p>{status}. Last outcome: {last || "none yet"}</p>
      <button type="button" onClick={() => void player?.unmute()}>Sound on</button>
    </main>
  );
}

createRoot(document.getElementById("root")!).render(<StrictMode><Table /></StrictMode>);
