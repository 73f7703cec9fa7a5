/**
 * `routelet completion SHELL`: a script that completes commands, options and their choices, made from
 * the commands themselves, so that it can't lag behind them.
 */
import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

interface Word {
  readonly word: string
  readonly description: string
}

interface Entry extends Word {
  readonly options: readonly (Word & {
    readonly takes: 'nothing' | 'a value' | readonly string[]
  })[]
}

/** @returns the script's text */
export function formatCompletion(program: Command, shell: Shell): string {
  const entries = readEntries(program)
  return { bash: formatBash, zsh: formatZsh, fish: formatFish }[shell](entries)
}

function readEntries(program: Command): readonly Entry[] {
  return program.commands.map((command) => ({
    word: command.name(),
    description: command.description(),
    options: command.options
      .filter(({ long, hidden }) => long !== undefined && long !== null && !hidden)
      .map((option) => ({
        word: option.long as string,
        description: option.description,
        takes: option.argChoices ?? (option.required || option.optional ? 'a value' : 'nothing'),
      })),
  }))
}

const isList = (takes: Entry['options'][number]['takes']): takes is readonly string[] =>
  typeof takes !== 'string'

function formatBash(entries: readonly Entry[]): string {
  const words = entries.map(({ word }) => word).join(' ')
  const options = entries.map(
    (entry) => `    ${entry.word}) words='${entry.options.map(({ word }) => word).join(' ')}' ;;`,
  )
  const choices = new Map<string, string>()
  for (const { word: command, options: own } of entries) {
    for (const { word, takes } of own) {
      if (isList(takes)) choices.set(`${command}:${word}`, takes.join(' '))
    }
  }
  const cases = [...choices].map(([at, list]) => `    ${at}) words='${list}' ;;`)
  return `# routelet completion bash: source it, or put it into /etc/bash_completion.d/routelet
_routelet() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${words}' -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}:$previous" in
${cases.join('\n')}
  esac
  if [ -z "$words" ]; then
    case "\${COMP_WORDS[1]}" in
${options.map((line) => `  ${line}`).join('\n')}
    esac
    case "$current" in -*) ;; *) words= ;; esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _routelet routelet
`
}

function formatZsh(entries: readonly Entry[]): string {
  const commands = entries.map(({ word, description }) => `    ${quote(`${word}:${description}`)}`)
  const cases = entries.map(({ word, options }) => {
    const specs = options.map(
      (option) => `'${option.word}[${escapeZsh(option.description)}]${argumentZsh(option.takes)}'`,
    )
    return `    ${word}) _arguments ${[...specs, "'*:argument:_files'"].join(' ')} ;;`
  })
  return `#compdef routelet
# routelet completion zsh: put it into a folder of $fpath as _routelet
_routelet() {
  local -a commands=(
${commands.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _routelet routelet
`
}

function argumentZsh(takes: Entry['options'][number]['takes']): string {
  if (isList(takes)) return `:value:(${takes.join(' ')})`
  return takes === 'nothing' ? '' : ':value:_files'
}

function formatFish(entries: readonly Entry[]): string {
  const lines = entries.flatMap(({ word: command, description, options }) => [
    `complete -c routelet -n __fish_use_subcommand -f -a ${command} -d ${quote(description)}`,
    ...options.map(({ word, description: text, takes }) => {
      const value = isList(takes)
        ? ` -x -a ${quote(takes.join(' '))}`
        : takes === 'nothing'
          ? ''
          : ' -r'
      return `complete -c routelet -n '__fish_seen_subcommand_from ${command}' -l ${word.slice(2)}${value} -d ${quote(text)}`
    }),
  ])
  return `# routelet completion fish: put it into ~/.config/fish/completions/routelet.fish\n${lines.join('\n')}\n`
}

/** A word in single quotes, for all three shells. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Brackets and colons mean something in a specification of _arguments. */
function escapeZsh(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''")
}
