/** The shells that `completions` knows. Apart from the scripts, which only that command needs. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];
