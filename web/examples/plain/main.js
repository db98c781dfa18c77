// @ts-check
import "./sdk/framelock-player.js";

const table = /** @type {import("@framelock/player/element").FramelockPlayerElement} */ (document.querySelector("#table"));
const bet = /** @type {HTMLButtonElement} */ (document.querySelector("#bet"));
const answer = /** @type {HTMLOutputElement} */ (document.querySelector("#answer"));
const proof = /** @type {HTMLElement} */ (document.querySelector("#proof"));

/** The window that is open at the frame on screen. */
let open = "";

// Painted with the frame that it belongs to, in the same paint.
table.overlay = (context, frame) => {
  context.font = "24px sans-serif";
  context.fillStyle = "#fff";
  context.fillText(JSON.stringify(frame.state), 20, 40);
};

table.addEventListener("framelock-window", ({ detail: window }) => {
  open = window.phase === "open" ? window.window : "";
  bet.disabled = open === "";
});

bet.addEventListener("click", async () => {
  try {
    const receipt = await table.act(open, { pocket: 17 });
    answer.value = receipt.verdict === "accepted" ? "Accepted" : `Rejected: ${receipt.reason}`;
  } catch (e) {
    answer.value = e instanceof Error ? e.message : String(e); // not sent, or not answered
  }
});

table.addEventListener("framelock-event", ({ detail }) => {
  if (detail.event.kind !== "outcome") return;
  const picture = table.player.proofFrame(detail.event.seq);
  if (picture) proof.replaceChildren(picture.canvas);
});

table.addEventListener("framelock-alarm", ({ detail }) => console.error("what was shown cannot be trusted", detail));
