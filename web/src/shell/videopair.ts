/**
 * Two elements that take turns: one plays, on the other the next session comes up
 * unseen and unheard. An element that gets another source goes blank until its
 * first picture; one that takes the other's place does not.
 */
export class VideoPair {
  private spare: HTMLVideoElement | undefined;
  private playing: HTMLVideoElement;

  constructor(video: HTMLVideoElement) {
    this.playing = video;
  }

  /** The element that plays. */
  get current(): HTMLVideoElement {
    return this.playing;
  }

  /** The element for the next session, muted. */
  get next(): HTMLVideoElement {
    if (!this.spare) {
      this.spare = this.playing.cloneNode(false) as HTMLVideoElement;
      this.spare.removeAttribute("id");
    }
    this.spare.muted = true;
    return this.spare;
  }

  /** The next session came to nothing. */
  release(): void {
    if (this.spare) this.spare.srcObject = null;
  }

  /** The next takes the place of the one that plays: in the page, with its id, and with the sound. */
  exchange(): void {
    const [before, after] = [this.playing, this.next];
    const { id, muted, volume } = before;
    before.removeAttribute("id");
    if (id) after.id = id;
    after.volume = volume;
    after.muted = muted;
    before.muted = true;
    if (before.parentNode) before.replaceWith(after);
    before.srcObject = null;
    this.playing = after;
    this.spare = before;
  }
}
