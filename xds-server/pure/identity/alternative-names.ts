/**
 * The names of one kind among a certificate's alternative names.
 *
 * @param text as Node writes them: `URI:spiffe://shop/checkout, DNS:checkout.shop`, and a value that could be taken for
 *   several in quotes. Whoever has such a value in his certificate is nobody we know: he has no names at all.
 */
export function alternativeNames(text: string | undefined, kind: 'URI' | 'DNS'): readonly string[] {
  // Of a malformed extension Node makes null, against its types.
  if (text == null || text.includes('"')) return [];
  const prefix = `${kind}:`;
  return text
    .split(', ')
    .filter((entry) => entry.startsWith(prefix))
    .map((entry) => entry.slice(prefix.length));
}
