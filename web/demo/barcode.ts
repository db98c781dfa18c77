/**
 * The bar code at the bottom of the studio's pictures: cells of 16 pixels, left
 * to right: guard 1 0 1, the frame number in 24 bits, CRC-8 (polynomial 0x07) of
 * its three bytes, guard 1 0 1. What is read here comes from pixels alone.
 */
const CELL = 16;
const CELLS = 40;
const SAMPLE_ROW = 8; // above the bottom edge
const WHITE_FROM = 128; // full-range luma; the studio's 16 and 235 become 0 and 255

/** Width of the bar in picture pixels. */
export const BAR_WIDTH = CELL * CELLS;

/** The number that the cells show, undefined for a wrong guard or CRC. */
export function decodeCells(cells: readonly boolean[]): number | undefined {
  for (const at of [0, 35]) {
    if (!cells[at] || cells[at + 1] || !cells[at + 2]) return undefined;
  }
  const number = bits(cells, 3, 24);
  const crc = bits(cells, 27, 8);
  return crc8([number >> 16, (number >> 8) & 255, number & 255]) === crc ? number : undefined;
}

/** The number in one row of RGBA pixels, at least BAR_WIDTH of them. */
export function decodeRow(rgba: Uint8ClampedArray): number | undefined {
  const cells: boolean[] = [];
  for (let i = 0; i < CELLS; i++) {
    const at = (i * CELL + CELL / 2) * 4;
    const luma = 0.299 * rgba[at]! + 0.587 * rgba[at + 1]! + 0.114 * rgba[at + 2]!;
    cells.push(luma >= WHITE_FROM);
  }
  return decodeCells(cells);
}

/** Reads bar codes off canvases. */
export class BarReader {
  // A canvas of its own for reading, so that the one on screen stays fast to draw.
  private readonly probe = strip(true);
  private readonly kept = strip(false);

  /** The number in the pixels of a canvas as they are now, undefined if unreadable. */
  read(canvas: HTMLCanvasElement): number | undefined {
    if (!this.probe || canvas.width < BAR_WIDTH || canvas.height < 2 * CELL) return undefined;
    copyRow(this.probe, canvas, canvas.height - SAMPLE_ROW);
    return decodeRow(this.probe.getImageData(0, 0, BAR_WIDTH, 1).data);
  }

  /** Keeps a canvas's bar for `readKept`, without the cost of reading it. */
  keep(canvas: HTMLCanvasElement): void {
    if (this.kept && canvas.width >= BAR_WIDTH) copyRow(this.kept, canvas, canvas.height - SAMPLE_ROW);
  }

  /** The number in the bar that was kept last, undefined if there is none. */
  readKept(): number | undefined {
    if (!this.probe || !this.kept) return undefined;
    copyRow(this.probe, this.kept.canvas, 0);
    return decodeRow(this.probe.getImageData(0, 0, BAR_WIDTH, 1).data);
  }
}

function strip(willReadFrequently: boolean): CanvasRenderingContext2D | null {
  const canvas = document.createElement("canvas");
  canvas.width = BAR_WIDTH;
  canvas.height = 1;
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently });
  if (context) context.imageSmoothingEnabled = false;
  return context;
}

function copyRow(to: CanvasRenderingContext2D, from: HTMLCanvasElement, y: number): void {
  to.drawImage(from, 0, y, BAR_WIDTH, 1, 0, 0, BAR_WIDTH, 1);
}

function bits(cells: readonly boolean[], from: number, n: number): number {
  let value = 0;
  for (let i = 0; i < n; i++) value = (value << 1) | (cells[from + i] ? 1 : 0);
  return value;
}

/** CRC-8, polynomial 0x07, initial value 0, most significant bit first. */
export function crc8(bytes: readonly number[]): number {
  let crc = 0;
  for (const b of bytes) {
    crc ^= b;
    for (let i = 0; i < 8; i++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 255 : crc << 1;
  }
  return crc;
}
