import { toHex } from "../core/encoding.js";

/** 128 random bits in hexadecimal. `crypto.randomUUID` needs a secure context, this does not. */
export function randomHex(): string {
  return toHex(crypto.getRandomValues(new Uint8Array(16)));
}
