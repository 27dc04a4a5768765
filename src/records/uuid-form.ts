/** The first 16 bytes of a digest, in hexadecimal, in the form of a UUID: a logical id that is the same for the same input. */
export function uuidForm(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}
