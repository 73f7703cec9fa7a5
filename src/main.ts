#!/usr/bin/env node
/** The entry of the command: everything that is a program of its own is loaded when it is asked for. */
import { holdYoungGeneration } from './heap.ts'
import { version } from './version.ts'

// Whoever reads our output may stop reading (`routelet events | head`): that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

// Before anything large is loaded.
holdYoungGeneration()
const { runProgram } = await import('./cli/commands.ts')
const { processTerminal } = await import('./cli/terminal.ts')
const terminal = processTerminal()

process.exitCode = await runProgram(
  process.argv.slice(2),
  {
    version,
    run: async (options) => (await import('./run.ts')).run(options),
    lab: async (options) => (await import('./lab/lab.ts')).runLab(options),
    check: async (directory, options) =>
      (await import('./cli/check.ts')).runCheck(directory, options, terminal),
    cleanup: async (options) => (await import('./cli/cleanup.ts')).runCleanup(options, terminal),
    plan: async (options) => (await import('./cli/plan.ts')).runPlan(options, terminal),
    decode: async (options) => {
      const streams = { input: process.stdin, output: process.stdout }
      return (await import('./cli/decode.ts')).runDecode(options, streams)
    },
    replay: async (file, options) =>
      (await import('./cli/replay.ts')).runReplay(file, options, terminal, process.stdin),
  },
  terminal,
)
