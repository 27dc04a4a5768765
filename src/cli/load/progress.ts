/** Counts as they are at a moment. */
export interface Tally {
  units: number
  unitsDone: number
  resources: number
  refused: number
  skipped: number
}

const WIDTH = 30
const LINE_MS = 5_000
const BAR_MS = 200

/** A bar that a person watches, or a line now and then where nobody does. Ended by the function it returns. */
export function showProgress(tally: Readonly<Tally>, out: NodeJS.WriteStream): () => void {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  const counts = () =>
    `${tally.unitsDone}/${tally.units} bundles, ${tally.resources} resources, ` +
    `${Math.round(tally.resources / Math.max(seconds(), 0.001))}/s${tally.refused > 0 ? `, ${tally.refused} refused` : ''}`
  const bar = () => {
    const share = tally.units === 0 ? 0 : tally.unitsDone / tally.units
    const full = Math.round(share * WIDTH)
    const left = share === 0 ? '' : `, ${Math.round((seconds() / share) * (1 - share))} s left`
    out.write(`\r[${'='.repeat(full)}${' '.repeat(WIDTH - full)}] ${counts()}${left}\u001b[K`)
  }
  const timer = setInterval(() => (out.isTTY ? bar() : out.write(`${counts()}\n`)), out.isTTY ? BAR_MS : LINE_MS)
  return () => {
    clearInterval(timer)
    if (out.isTTY) {
      bar()
      out.write('\n')
    }
  }
}
