/** 128 random bits in hexadecimal. `crypto.randomUUID` needs a secure context, this does not. */
export declare function randomHex(): string;
