/** Arguments as they can be pasted into a POSIX shell, for "the same command goes on" hints. */
export function shellQuote(args: readonly string[]): string {
  return args.map(quote).join(' ');
}

function quote(arg: string): string {
  return /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`;
}
