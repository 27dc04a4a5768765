import type { Place } from './digest-index.js'

/** What lies closer than this is read by one call: blocks of one transaction stand side by side. */
const GAP = 16 * 1024
const RUN = 4 * 1024 * 1024

interface Wanted {
  readonly place: Place
}

/** Reads many places with few calls. @returns each wanted one with its bytes, a view of what was read */
export async function readTogether<W extends Wanted>(
  wanted: readonly W[],
  read: (segment: number, offset: number, length: number) => Promise<Uint8Array>,
): Promise<[W, Uint8Array][]> {
  const runs: W[][] = []
  const sorted = [...wanted].sort((a, b) => a.place.segment - b.place.segment || a.place.offset - b.place.offset)
  for (const one of sorted) {
    const run = runs.at(-1)
    if (run !== undefined && isNear(run, one)) run.push(one)
    else runs.push([one])
  }
  const done = await Promise.all(
    runs.map(async (run): Promise<[W, Uint8Array][]> => {
      const [start, end] = extent(run)
      const bytes = await read((run[0] as W).place.segment, start, end - start)
      return run.map((one) => [
        one,
        bytes.subarray(one.place.offset - start, one.place.offset - start + one.place.length),
      ])
    }),
  )
  return done.flat()
}

function isNear(run: readonly Wanted[], { place }: Wanted): boolean {
  const [start, end] = extent(run)
  const { segment } = (run[0] as Wanted).place
  return segment === place.segment && place.offset - end < GAP && place.offset + place.length - start <= RUN
}

function extent(run: readonly Wanted[]): [start: number, end: number] {
  const last = (run.at(-1) as Wanted).place
  return [(run[0] as Wanted).place.offset, last.offset + last.length]
}
