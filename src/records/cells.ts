/** Sides of cells in degrees, the finest first: 11, 111 and 1,110 km to the north. */
const SIDES = [0.1, 1, 10] as const
/** Cells that one place may ask for; of more it asks for coarser ones. */
const MOST_CELLS = 400
/** Of a degree: a centimetre. A place at the edge of a cell is asked for in both. */
const EDGE = 1e-7

/** Names of the cells of the globe that a position lies in, one for each size. */
export function cellsOf(lat: number, lon: number): string[] {
  return SIDES.map((side) => name(side, row(lat, side), column(lon, side)))
}

/** Names of cells, of one size, that together cover what lies between; `east` may be beyond 180 and `west` below -180. */
export function cellsWithin({ south, north, west, east }: Area): string[] {
  for (const side of SIDES) {
    const [bottom, top] = [row(south - EDGE, side), row(north + EDGE, side)]
    const around = columns(side)
    const first = raw(west - EDGE, side)
    const last = Math.min(raw(east + EDGE, side), first + around - 1)
    if ((top - bottom + 1) * (last - first + 1) > MOST_CELLS && side !== SIDES.at(-1)) continue
    const names: string[] = []
    for (let r = bottom; r <= top; r++) {
      for (let c = first; c <= last; c++) names.push(name(side, r, ((c % around) + around) % around))
    }
    return names
  }
  return []
}

interface Area {
  readonly south: number
  readonly north: number
  readonly west: number
  readonly east: number
}

const columns = (side: number): number => Math.round(360 / side)
const row = (lat: number, side: number): number => Math.floor((Math.min(Math.max(lat, -90), 90) + 90) / side)
const raw = (lon: number, side: number): number => Math.floor((lon + 180) / side)
/** 180 degrees east are 180 degrees west. */
const column = (lon: number, side: number): number => raw(lon, side) % columns(side)
const name = (side: number, r: number, c: number): string => `${side}|${r}|${c}`
