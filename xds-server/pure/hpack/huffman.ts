/**
 * The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: within a length, codes follow each other in the
 * order of their symbols, and a longer code begins where the shorter ones end. So the lengths say it all.
 */

/** Bits of each octet's code, 0 to 255. EOS has 30. */
const lengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const maxBits = 30;

/** By length: the first code of it, the octets that have it, in order. */
const firstCode: number[] = [];
const octets: number[][] = [];
for (let bits = 0, code = 0; bits <= maxBits; bits++) {
  const ofLength = lengths.flatMap((length, octet) => (length === bits ? [octet] : []));
  firstCode.push(code);
  octets.push(ofLength);
  code = (code + ofLength.length) * 2;
}

/** @returns the text (octets as code points), undefined when it is no such code, or holds EOS, or is padded wrongly. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  let code = 0;
  let bits = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1);
      bits += 1;
      if (bits < 5) continue;
      const octet = octets[bits]![code - firstCode[bits]!];
      if (octet !== undefined) {
        text += String.fromCharCode(octet);
        code = bits = 0;
      } else if (bits === maxBits) return undefined;
    }
  }
  // The rest is less than an octet of ones, the beginning of EOS.
  return bits < 8 && code === (1 << bits) - 1 ? text : undefined;
}
