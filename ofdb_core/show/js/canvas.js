// Pictures on a canvas.

/** Colours [r, g, b] or [r, g, b, a] as a canvas's 32-bit words. */
export const colours = (entries) =>
  Uint32Array.from(entries, ([r, g, b, a = 255]) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0);

/** Show size x size words of colours on a canvas, which is resized to it. */
export function put(canvas, words) {
  const size = Math.sqrt(words.length);
  if (canvas.width !== size) canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(words.buffer), size, size), 0, 0);
}
