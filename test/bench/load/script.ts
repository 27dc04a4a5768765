import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A server of this folder as a process of its own, once it has said where it is. */
export async function startScript(name: string, ...args: string[]): Promise<{ url: string; child: ChildProcess }> {
  const path = fileURLToPath(new URL(name, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /ready: (\S+)/.exec(line)?.[1]
    if (url !== undefined) return { url, child }
  }
  throw new Error(`${name} did not start`)
}
