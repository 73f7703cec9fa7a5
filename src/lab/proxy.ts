/**
 * A TCP port on 127.0.0.1 for each agent's Unix socket: the agents live in namespaces, browsers do
 * not. Bytes pass unread.
 */
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream'

export interface PortProxy {
  readonly port: number
  close(): Promise<void>
}

/** Connections a proxy serves at one time; more wait in the backlog or are refused. */
const CONNECTIONS_MAX = 100

/**
 * @param socketPath Unix socket of the agent; it may come and go
 * @param preferredPort taken when it is free, any other otherwise
 */
export async function openProxy(socketPath: string, preferredPort: number): Promise<PortProxy> {
  const connections = new Set<Socket>()
  const server = createServer((client) => {
    const agent = createConnection(socketPath)
    for (const socket of [client, agent]) {
      connections.add(socket)
      socket.on('close', () => connections.delete(socket))
    }
    // A side that breaks ends the other: HTTP tells the user, there is nobody else to tell.
    pipeline(client, agent, client, () => undefined)
  })
  server.maxConnections = CONNECTIONS_MAX
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen(preferredPort).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error
    return listen(0)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close()
      for (const socket of connections) socket.destroy()
      if (server.listening) await once(server, 'close')
    },
  }
}
