/** Bytes of a text in UTF-8. */
export declare function utf8(text: string): Uint8Array<ArrayBuffer>;
/** Lower-case hexadecimal. */
export declare function toHex(bytes: Uint8Array): string;
/** Reads hexadecimal, undefined for anything else. */
export declare function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined;
/** Standard base64 with padding (RFC 4648, section 4). */
export declare function toBase64(bytes: Uint8Array): string;
/** Reads standard base64 with padding, undefined for anything else, loose trailing bits included. */
export declare function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined;
/** One after the other. */
export declare function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer>;
/** Whether two byte strings are the same. */
export declare function sameBytes(a: Uint8Array, b: Uint8Array): boolean;
