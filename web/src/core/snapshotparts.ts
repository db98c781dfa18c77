import { WireError } from "./wire.js";

/** Parts are at most 8 KiB, so this bounds a snapshot at 8 MiB. */
const MAX_PARTS = 1024;

/**
 * Puts the parts of a snapshot together. They come in order on an ordered
 * channel; part 1 starts over, anything else out of turn is an error.
 */
export class SnapshotParts {
  private bodies: string[] = [];
  private parts = 0;

  /** Takes a part. Returns the whole body with the last one, undefined before. */
  add(part: number, parts: number, body: string): string | undefined {
    if (parts < 1 || parts > MAX_PARTS) throw new WireError(`parts must be 1 to ${MAX_PARTS}, got ${parts}`);
    if (part === 1) {
      this.bodies = [];
      this.parts = parts;
    }
    if (part !== this.bodies.length + 1 || parts !== this.parts) {
      throw new WireError(`part must be ${this.bodies.length + 1} of ${this.parts}, got ${part} of ${parts}`);
    }
    this.bodies.push(body);
    if (part < parts) return undefined;
    const whole = this.bodies.join("");
    this.clear();
    return whole;
  }

  /** Forgets what has come of an unfinished snapshot. */
  clear(): void {
    this.bodies = [];
    this.parts = 0;
  }
}
