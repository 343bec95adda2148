/**
 * The two platform classes that pure code may use besides ECMAScript itself. Pure layers compile without
 * Node's or the browser's types (tsconfig.pure.json), so what they may reach is declared here.
 */
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: Uint8Array): string;
}
