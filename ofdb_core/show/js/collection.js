// A collection of categories: their pictures (tiles of sprite sheets) and their systems.

/**
 * What the gallery shows of a family, as `collection` in gallery.py makes it. A property has a value for each category.
 * @typedef {object} CollectionData
 * @property {string} title
 * @property {string[]} names of the categories
 * @property {number} across tiles of a sheet, in both directions
 * @property {number} pictures tiles of a category, one after another
 * @property {string[]} sheets addresses of WebP images in base64
 * @property {Record<string, number[]>} properties
 * @property {Record<string, string>} meanings of the properties
 * @property {number[]} nearest the category most like it, or -1
 * @property {number} alike the likeness from which two categories are near-duplicates
 * @property {{d: number, maps: number[], rows: string} | null} systems maps of each, and all rows in base64
 * @property {Record<string, any> | null} drawn how the images were drawn, as the explorer's settings
 * @property {string[][] | null} files the images of each category, where they lie beside the page
 */

/** A number as text, for display. */
export const rounded = (value, digits = 4) =>
  Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(digits)));

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i); // Uint8Array.from takes thirty times as long
  return bytes;
}

export class Collection {
  /** @param {CollectionData} data */
  constructor(data) {
    this.data = data;
    this.count = data.names.length;
    this.tiles = this.count * data.pictures;
    /** @type {string[]} addresses of the sheets that have been in sight */
    this.urls = [];
    /** @type {Float64Array | null} all rows of all systems, once one is asked for */
    this.rows = null;
    /** @type {number[]} where the rows of each system begin */
    this.starts = [0];
    for (const maps of data.systems?.maps ?? []) this.starts.push(this.starts[this.starts.length - 1] + maps);
  }

  /** The address of a sheet, as a picture in memory. */
  url(sheet) {
    return (this.urls[sheet] ??= URL.createObjectURL(
      new Blob([bytesOf(this.data.sheets[sheet].split(",", 2)[1])], { type: "image/webp" }),
    ));
  }

  /** The picture of tile `number`, `size` pixels wide, as a style. */
  tile(number, size) {
    const { across } = this.data;
    const each = across * across;
    const sheet = Math.floor(number / each);
    const at = number % each;
    const rows = Math.min(across, Math.ceil((this.tiles - sheet * each) / across)); // the last sheet may have fewer
    return (
      `background-image:url(${this.url(sheet)});background-size:${across * size}px ${rows * size}px;` +
      `background-position:${-(at % across) * size}px ${-Math.floor(at / across) * size}px`
    );
  }

  /** The maps of a category: rows of numbers, each A row by row, t and p. None if it has no system. */
  system(category) {
    const { systems } = this.data;
    if (!systems) return [];
    const width = systems.d * systems.d + systems.d + 1;
    const rows = (this.rows ??= new Float64Array(bytesOf(systems.rows).buffer));
    return Array.from({ length: systems.maps[category] }, (_, map) => {
      const start = (this.starts[category] + map) * width;
      return Array.from(rows.subarray(start, start + width));
    });
  }

  /** Free the memory of the pictures. */
  close() {
    this.urls.forEach((url) => URL.revokeObjectURL(url));
  }
}
