/**
 * Who listens on a TCP port of this host, as `ss -ltnp` finds it: the port's inode in the kernel's
 * table of sockets, then the process that has a descriptor of that inode (proc(5)). Of other users'
 * processes only root learns, and of those in other PID namespaces nobody.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** linux/net/tcp_states.h: TCP_LISTEN, in hexadecimal as the table has it. */
const listening = '0A'
/** A host with more processes than this isn't searched to the end. */
const processesMax = 20_000

export interface PortHolder {
  readonly pid: number
  /** As the process calls itself: `bird`, `bgpd`, `gobgpd`. */
  readonly name: string
}

/** null: nobody, or nobody we may know of. */
export function findPortHolder(port: number, proc = '/proc'): PortHolder | null {
  const inodes = new Set(
    ['tcp', 'tcp6'].flatMap((table) => listeningInodes(read(`${proc}/net/${table}`), port)),
  )
  if (inodes.size === 0) return null
  const pids = list(proc).filter((name) => /^\d+$/.test(name))
  for (const pid of pids.slice(0, processesMax)) {
    if (!holds(`${proc}/${pid}/fd`, inodes)) continue
    return { pid: Number(pid), name: processName(Number(pid), proc) ?? 'a process' }
  }
  return null
}

/** What a process calls itself; null: there is none we may know of. */
export function processName(pid: number, proc = '/proc'): string | null {
  const name = read(`${proc}/${pid}/comm`).trim()
  return name === '' ? null : name
}

/** `sl local_address rem_address st …`, the tenth field is the inode. */
function listeningInodes(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === listening && fields[1]?.endsWith(`:${hex}`))
    .map((fields) => fields[9] ?? '')
}

function holds(folder: string, inodes: ReadonlySet<string>): boolean {
  return list(folder).some((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(link(`${folder}/${fd}`))?.[1]
    return inode !== undefined && inodes.has(inode)
  })
}

/** What is gone, or not ours to see, is empty: processes come and go while they are looked at. */
function list(folder: string): string[] {
  return orEmpty(() => readdirSync(folder), [])
}

function link(file: string): string {
  return orEmpty(() => readlinkSync(file), '')
}

function read(file: string): string {
  return orEmpty(() => readFileSync(file, 'utf8'), '')
}

function orEmpty<T>(look: () => T, empty: T): T {
  try {
    return look()
  } catch {
    return empty
  }
}
