import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { boundsOf, distanceBetween } from '../../src/fhir/search/position.js'
import { cellsOf, cellsWithin } from '../../src/records/cells.js'

const degrees = (most: number) =>
  fc.oneof(
    fc.double({ min: -most, max: most, noNaN: true }),
    // corners of cells, poles and the date line
    fc.integer({ min: -most * 10, max: most * 10 }).map((tenths) => tenths / 10),
    fc.constantFrom(-most, most, 0),
  )
const place = fc.record({ lat: degrees(90), lon: degrees(180) })
const metres = fc.oneof(fc.double({ min: 0, max: 2e7, noNaN: true }), fc.double({ min: 0, max: 50_000, noNaN: true }))

describe('the cells around a place', () => {
  it('hold everything that lies within the distance', () => {
    fc.assert(
      fc.property(place, place, metres, fc.boolean(), (centre, other, far, tight) => {
        // as far as the other place, or anywhere
        const distance = tight ? distanceBetween(centre, other) : far
        if (distanceBetween(centre, other) > distance) return
        const cells = new Set(cellsWithin(boundsOf({ ...centre, metres: distance })))
        expect(cellsOf(other.lat, other.lon).some((cell) => cells.has(cell))).toBe(true)
      }),
      // the second is the pole, as far as it is from the first
      { numRuns: 3_000, examples: [[{ lat: 2.9, lon: 0 }, { lat: 90, lon: -180 }, 0, true]] },
    )
  })

  it('hold not much more where the distance is small, and are never many', () => {
    const cells = cellsWithin(boundsOf({ lat: 48.2, lon: 16.37, metres: 5_000 }))
    expect(cells.length).toBeLessThan(9)
    expect(cells).not.toContain(cellsOf(48.5, 16.37)[0])
    fc.assert(
      fc.property(place, metres, (centre, distance) => {
        expect(cellsWithin(boundsOf({ ...centre, metres: distance })).length).toBeLessThanOrEqual(18 * 36 + 18 + 36)
      }),
    )
  })
})
