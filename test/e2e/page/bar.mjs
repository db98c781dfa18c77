// Reads the bar code off a canvas (see internal/barcode): the frame number that
// is really in the pixels, or -1 if there is none to be read.
const CELL = 16;
const CELLS = 38;
const THRESHOLD = 126;

export function readBar(context, width, height) {
  const row = context.getImageData(0, height - CELL / 2, Math.min(width, CELLS * CELL), 1).data;
  const bits = [];
  for (let i = 0; i < CELLS; i++) {
    const p = 4 * (i * CELL + CELL / 2);
    bits.push(16 + (65.5 * row[p] + 128.6 * row[p + 1] + 25 * row[p + 2]) / 256 > THRESHOLD ? 1 : 0); // BT.601 luma
  }
  const number = (from, n) => bits.slice(from, from + n).reduce((v, b) => v * 2 + b, 0);
  const guard = (from) => number(from, 3) === 0b101;
  const value = number(3, 24);
  return guard(0) && guard(35) && number(27, 8) === crc8(value) ? value : -1;
}

function crc8(value) {
  let crc = 0;
  for (const byte of [value >> 16, (value >> 8) & 255, value & 255]) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 255 : (crc << 1) & 255;
  }
  return crc;
}
