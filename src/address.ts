import { type Config, ConfigurationError } from './config.js'
import { openDataDirectory } from './embedded/data-directory.js'
import { codeOf } from './errors.js'
import { freePort, listenable } from './embedded/free-port.js'

/**
 * The issuer of tokens has its URL in every token, so the port must be known before the parts are made; and one that is taken is told
 * before chain, database and keys are.
 *
 * @returns the port of the configuration; of 0 one that is free
 * @throws ConfigurationError that names PORT or HOST; ConsentryError `conflict`: the data directory is in use
 */
export async function portToListenOn({
  host,
  port,
  dataDirectory,
}: Pick<Config, 'host' | 'port' | 'dataDirectory'>): Promise<number> {
  try {
    return await (port === 0 ? freePort(host) : listenable(host, port))
  } catch (error) {
    // Mostly it is this gateway itself, started twice: then the directory is in use, and says so.
    if (codeOf(error) === 'EADDRINUSE') await (await openDataDirectory(dataDirectory)).close()
    throw cannotListen(error, host, port)
  }
}

/** By the name of the variable where it is one's fault; any other error as it is. */
export function cannotListen(error: unknown, host: string, port: number): unknown {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new ConfigurationError([
        `PORT ${port} of ${host} is in use by another program: stop it, or choose another (0: any free one).`,
      ])
    case 'EACCES':
      return new ConfigurationError([
        `PORT ${port} of ${host} may not be listened on by this user; expected one above 1023.`,
      ])
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConfigurationError([
        `HOST ${host} is no address of this machine; expected one, such as 127.0.0.1 or ::.`,
      ])
    default:
      return error
  }
}

/** An address to connect to, for an address to listen on. */
export function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
