import type { Command } from 'commander';
import type { Shell } from './shells.ts';

/** Completion scripts, made by walking the program, so that they never miss an option. */

interface CompletedOption {
  /** `--port`, `-p`: all spellings. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  /** Its value is a folder. */
  readonly isFolder: boolean;
}

interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** Fixed values of its first argument. */
  readonly choices: readonly string[];
  readonly takesFiles: boolean;
}

export function describeProgram(program: Command): CompletedCommand[] {
  const shared = describeOptions(program);
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: [...unique([command, ...command.commands].flatMap(describeOptions)), ...shared],
    // Of a command with commands of its own, those.
    choices: command.registeredArguments[0]?.argChoices ?? command.commands.map((each) => each.name()),
    takesFiles: command.registeredArguments.some(({ argChoices }) => argChoices === undefined),
  }));
}

function unique(options: readonly CompletedOption[]): CompletedOption[] {
  return [...new Map(options.map((option) => [option.flags[0], option])).values()];
}

function describeOptions(command: Command): CompletedOption[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      flags: [option.long, option.short].filter((flag) => typeof flag === 'string'),
      description: option.description,
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
      isFolder: option.flags.includes('<folder>'),
    }));
}

export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(commands);
    case 'zsh':
      return zshScript(commands);
    case 'fish':
      return fishScript(commands);
    case 'powershell':
      return powershellScript(commands);
  }
}

function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const cases = commands.map(({ name, options, choices, takesFiles }) => {
    const values = valueOptions(options).map(({ flags, choices: values, isFolder }) => {
      const reply = isFolder ? 'compgen -d -- "$word"' : `compgen -W "${values.join(' ')}" -- "$word"`;
      const files = values.length === 0 && !isFolder ? 'compgen -f -- "$word"' : reply;
      return `        ${flags.join('|')}) mapfile -t COMPREPLY < <(${files}); return ;;`;
    });
    const words = options.flatMap(({ flags }) => flags).join(' ');
    const rest =
      choices.length > 0 ? `compgen -W "${choices.join(' ')}" -- "$word"` : 'compgen -f -- "$word"';
    return [
      `    ${name})`,
      `      case "$before" in`,
      ...values,
      `      esac`,
      `      if [[ "$word" == -* ]]; then mapfile -t COMPREPLY < <(compgen -W "${words}" -- "$word")`,
      takesFiles || choices.length > 0 ? `      else mapfile -t COMPREPLY < <(${rest})` : '',
      `      fi ;;`,
    ]
      .filter((line) => line !== '')
      .join('\n');
  });
  return `# bash completion of torrent-ts: source <(torrent-ts completions bash)
_torrent_ts() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" verb="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ " ${names} " == *" \${COMP_WORDS[i]} "* ]]; then verb="\${COMP_WORDS[i]}"; break; fi
  done
  case "$verb" in
${cases.join('\n')}
    *) mapfile -t COMPREPLY < <(compgen -W "${names} --help --version" -- "$word") ;;
  esac
}
complete -o filenames -F _torrent_ts torrent-ts
`;
}

function zshScript(commands: readonly CompletedCommand[]): string {
  const list = commands.map(({ name, description }) => `    ${zshQuote(`${name}:${description}`)}`);
  const cases = commands.map(({ name, options, choices, takesFiles }) => {
    const specs = options.flatMap((option) =>
      option.flags.map(
        (flag) => `      ${zshQuote(`*${flag}[${bracketSafe(option.description)}]${zshValue(option)}`)}`,
      ),
    );
    if (choices.length > 0) specs.push(`      ${zshQuote(`1:value:(${choices.join(' ')})`)}`);
    else if (takesFiles) specs.push(`      ${zshQuote('*:file:_files')}`);
    return `    ${name}) _arguments -s \\\n${specs.join(' \\\n')} ;;`;
  });
  return `#compdef torrent-ts
# zsh completion of torrent-ts: put it as _torrent-ts into a folder of $fpath
_torrent-ts() {
  local -a verbs
  verbs=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${cases.join('\n')}
  esac
}
compdef _torrent-ts torrent-ts
`;
}

function zshValue({ takesValue, choices, isFolder }: CompletedOption): string {
  if (!takesValue) return '';
  if (choices.length > 0) return `:value:(${choices.join(' ')})`;
  return isFolder ? ':folder:_files -/' : ':value:_files';
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function bracketSafe(text: string): string {
  return text.replaceAll('[', '(').replaceAll(']', ')').replaceAll(':', '\\:');
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const lines = commands.flatMap(({ name, description, options, choices, takesFiles }) => {
    const here = `-n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c torrent-ts -n "not __fish_seen_subcommand_from ${names}" -f -a ${name} -d ${fishQuote(description)}`,
      ...options.map((option) => {
        const spelled = option.flags.map((flag) =>
          flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
        );
        const value = !option.takesValue
          ? ''
          : option.choices.length > 0
            ? ` -x -a '${option.choices.join(' ')}'`
            : option.isFolder
              ? ` -x -a '(__fish_complete_directories)'`
              : ' -r';
        return `complete -c torrent-ts ${here} ${spelled.join(' ')}${value} -d ${fishQuote(option.description)}`;
      }),
      ...(choices.length > 0 ? [`complete -c torrent-ts ${here} -f -a '${choices.join(' ')}'`] : []),
      ...(takesFiles ? [`complete -c torrent-ts ${here} -F`] : []),
    ];
  });
  return `# fish completion of torrent-ts: torrent-ts completions fish > ~/.config/fish/completions/torrent-ts.fish
${lines.join('\n')}
`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function powershellScript(commands: readonly CompletedCommand[]): string {
  const table = commands.map(({ name, options, choices }) => {
    const words = [...choices, ...options.flatMap(({ flags }) => flags)];
    return `    '${name}' = @(${words.map((word) => `'${word}'`).join(', ')})`;
  });
  const values = commands
    .flatMap(({ options }) => valueOptions(options))
    .filter(({ choices }) => choices.length > 0)
    .map(({ flags, choices }) => `    '${flags[0]!}' = @(${choices.map((word) => `'${word}'`).join(', ')})`);
  return `# PowerShell completion of torrent-ts: torrent-ts completions powershell >> $PROFILE
Register-ArgumentCompleter -Native -CommandName torrent-ts -ScriptBlock {
  param($word, $ast, $position)
  $words = @{
${table.join('\n')}
  }
  $values = @{
${[...new Set(values)].join('\n')}
  }
  $typed = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  $before = @($typed | Where-Object { $_ -ne $word }) | Select-Object -Last 1
  $verb = $typed | Where-Object { $words.ContainsKey($_) } | Select-Object -First 1
  if ($before -and $values.ContainsKey($before)) { $found = $values[$before] }
  elseif ($verb -and $verb -ne $word) { $found = $words[$verb] }
  else { $found = $words.Keys | Sort-Object }
  $found | Where-Object { $_ -like "$word*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}

function valueOptions(options: readonly CompletedOption[]): CompletedOption[] {
  return options.filter(({ takesValue }) => takesValue);
}
