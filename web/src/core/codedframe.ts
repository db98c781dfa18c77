/**
 * The WebCodecs name of the codec of a coded keyframe as it comes out of RTP,
 * undefined for anything but VP8 (RFC 6386) and H.264 in Annex B form with its
 * parameter sets.
 */
export function codecOf(key: Uint8Array): string | undefined {
  // RFC 6386, section 9.1: a keyframe's start code follows its three-byte tag.
  if (key.length >= 10 && !(key[0]! & 1) && key[3] === 0x9d && key[4] === 0x01 && key[5] === 0x2a) return "vp8";
  const sps = parameterSet(key);
  return sps && `avc1.${[sps[1]!, sps[2]!, sps[3]!].map((b) => b.toString(16).padStart(2, "0")).join("")}`;
}

/** The first sequence parameter set (NAL unit type 7, ITU-T H.264 section 7.4.1), undefined if there is none. */
function parameterSet(data: Uint8Array): Uint8Array | undefined {
  if (data[0] !== 0 || data[1] !== 0) return undefined;
  for (let i = 2; i + 4 < data.length; i++) {
    if (data[i] === 1 && data[i - 1] === 0 && data[i - 2] === 0 && (data[i + 1]! & 0x1f) === 7) return data.subarray(i + 1);
  }
  return undefined;
}
