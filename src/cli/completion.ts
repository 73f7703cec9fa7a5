/**
 * `routelet completion SHELL`: a script that completes commands, options and their values, made from
 * the commands themselves, so that it can't lag behind them. Names of peers are those of the agent
 * that the command would ask at that moment.
 */
import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** The hidden command that prints them, one a line. */
export const peerNamesCommand = 'peer-names'
const askPeerNames = `routelet ${peerNamesCommand} 2>/dev/null`

/** What may stand somewhere: one of a list, a peer of the agent, a file or anything else, or nothing. */
type Values = readonly string[] | 'peers' | 'anything' | 'nothing'

interface Word {
  readonly word: string
  readonly description: string
}

interface Entry extends Word {
  readonly argument: Values
  readonly options: readonly (Word & { readonly short: string | null; readonly takes: Values })[]
}

/** @returns the script's text */
export function formatCompletion(program: Command, shell: Shell): string {
  const entries = readEntries(program)
  return { bash: formatBash, zsh: formatZsh, fish: formatFish }[shell](entries)
}

function readEntries(program: Command): readonly Entry[] {
  const commands = program.createHelp().visibleCommands(program)
  return commands.map((command) => ({
    word: command.name(),
    description: command.description(),
    argument: command.name() === 'help' ? commands.map((each) => each.name()) : argumentOf(command),
    options: command.options
      .filter(({ long, hidden }) => long !== undefined && long !== null && !hidden)
      .map((option) => ({
        word: option.long as string,
        short: option.short ?? null,
        description: option.description,
        takes:
          option.argChoices ??
          (option.required || option.optional ? optionValues(option) : 'nothing'),
      })),
  }))
}

function argumentOf({ registeredArguments: [first] }: Command): Values {
  if (first === undefined) return 'nothing'
  return first.argChoices ?? (['peer', 'name'].includes(first.name()) ? 'peers' : 'anything')
}

function optionValues({ long }: { readonly long?: string | null | undefined }): Values {
  return long === '--peer' ? 'peers' : 'anything'
}

/** Words for compgen; null: the shell's own idea, which is files. */
function wordsBash(values: Values): string | null {
  if (values === 'peers') return `"$(${askPeerNames})"`
  return typeof values === 'string' ? null : `'${values.join(' ')}'`
}

function formatBash(entries: readonly Entry[]): string {
  const cases: string[] = []
  for (const { word: command, options, argument } of entries) {
    for (const { word, short, takes } of options) {
      if (takes === 'nothing') continue
      const at = [word, ...(short === null ? [] : [short])].map((one) => `${command}:*:${one}`)
      cases.push(`${at.join('|')}) words=${wordsBash(takes) ?? ''} ;;`)
    }
    const all = options.map(({ word }) => word).join(' ')
    cases.push(
      `${command}:-*) words='${all}' ;;`,
      `${command}:*) words=${wordsBash(argument) ?? ''} ;;`,
    )
  }
  return `# routelet completion bash: source it, or put it into /etc/bash_completion.d/routelet
_routelet() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${entries.map(({ word }) => word).join(' ')}'
  else
    case "\${COMP_WORDS[1]}:$current:$previous" in
${cases.map((line) => `    ${line}`).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _routelet routelet
`
}

function formatZsh(entries: readonly Entry[]): string {
  const commands = entries.map(({ word, description }) => `    ${quote(`${word}:${description}`)}`)
  const cases = entries.map(({ word, options, argument }) => {
    const specs = options.map(
      (option) => `'${option.word}[${escapeZsh(option.description)}]${valueZsh(option.takes)}'`,
    )
    const rest = argument === 'nothing' ? [] : [`'*${valueZsh(argument)}'`]
    return `    ${word}) _arguments ${[...specs, ...rest].join(' ')} ;;`
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

function valueZsh(values: Values): string {
  if (values === 'nothing') return ''
  if (values === 'anything') return ':value:_files'
  return `:value:(${values === 'peers' ? `$(${askPeerNames})` : values.join(' ')})`
}

function formatFish(entries: readonly Entry[]): string {
  const lines = entries.flatMap(({ word: command, description, options, argument }) => {
    const inside = `complete -c routelet -n '__fish_seen_subcommand_from ${command}'`
    return [
      `complete -c routelet -n __fish_use_subcommand -f -a ${command} -d ${quote(description)}`,
      ...(Array.isArray(argument) || argument === 'peers'
        ? [`${inside}${valueFish(argument)}`]
        : []),
      ...options.map(({ word, description: text, takes }) => {
        return `${inside} -l ${word.slice(2)}${valueFish(takes)} -d ${quote(text)}`
      }),
    ]
  })
  return `# routelet completion fish: put it into ~/.config/fish/completions/routelet.fish\n${lines.join('\n')}\n`
}

function valueFish(values: Values): string {
  if (values === 'nothing') return ''
  if (values === 'anything') return ' -r'
  return ` -x -a ${quote(values === 'peers' ? `(${askPeerNames})` : values.join(' '))}`
}

/** A word in single quotes, for all three shells. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Brackets and colons mean something in a specification of _arguments. */
function escapeZsh(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''")
}
