/** The first and the last text of each parameter, for ascending and descending order. */
export class SortRange {
  readonly ranges = new Map<string, { least: string; greatest: string }>()

  add(param: string, text: string): void {
    const range = this.ranges.get(param)
    if (range === undefined) this.ranges.set(param, { least: text, greatest: text })
    else if (text < range.least) range.least = text
    else if (text > range.greatest) range.greatest = text
  }
}
