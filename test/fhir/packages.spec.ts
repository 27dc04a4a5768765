import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { filesOf, PACKAGE_LIMITS, PackageError } from '../../src/fhir/package-archive.js'
import { readPackageArchive, readPackages } from '../../src/fhir/packages.js'
import { Profiles } from '../../src/fhir/profiles.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { validate } from '../../src/fhir/validate.js'
import { packageOf, tar, tarball, tarHeader } from '../support/package.js'
import { hasSharedData, listShared, readShared, SHARED_DATA } from '../support/shared-data.js'

const manifest = { 'package/package.json': '{"name":"a.b"}' }
const profile = (more: object = {}): string =>
  JSON.stringify({ resourceType: 'StructureDefinition', url: 'http://a.org/p', type: 'Patient', ...more })

describe('an archive', () => {
  it('gives the conformance resources of its package folder', () => {
    const read = readPackageArchive(
      tarball({
        ...manifest,
        'package/.index.json': '{"files":[]}',
        'package/StructureDefinition-p.json': profile({
          text: { status: 'generated' },
          snapshot: {},
          differential: {},
        }),
        'package/ImplementationGuide-a.json': '{"resourceType":"ImplementationGuide"}',
        'package/example/Patient-x.json': 'not JSON',
        'package/other/x.txt': 'x',
      }),
    )
    const tag = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }]
    expect(read).toEqual([
      { resourceType: 'StructureDefinition', url: 'http://a.org/p', type: 'Patient', differential: {}, meta: { tag } },
    ])
  })

  it('reads names of every kind of tar', () => {
    const content = Buffer.from('{}')
    const pad = Buffer.alloc(510)
    const long = `package/${'x'.repeat(150)}.json`
    const pax = Buffer.from(`172 path=${long}\n`)
    const entries = Buffer.concat([
      ...[tarHeader('pax', pax.length, 'x'), pax, Buffer.alloc(512 - (pax.length % 512))],
      ...[tarHeader('short', 2), content, pad],
      ...[tarHeader('././@LongLink', long.length, 'L'), Buffer.from(long), Buffer.alloc(512 - (long.length % 512))],
      ...[tarHeader('short', 2), content, pad],
      tarHeader('package/link.json', 0, '2'),
      ...[tarHeader(`package/${'d'.repeat(60)}/${'f'.repeat(95)}.json`, 2), content, pad],
    ])
    const paths = filesOf(gzipSync(entries)).map(({ path }) => path)
    expect(paths).toEqual([long, long, `package/${'d'.repeat(60)}/${'f'.repeat(95)}.json`])
  })

  it.each<[string, Uint8Array, RegExp]>([
    ['no gzip', Buffer.from('x'), /is not gzip/],
    ['no tar', gzipSync(Buffer.alloc(2048, 'z')), /is not a tar archive/],
    ['cut off', gzipSync(tarHeader('package/a.json', 5000)), /is cut off/],
    ['no manifest', tarball({ 'package/a.json': '{}' }), /no package\/package\.json/],
    ['no JSON', tarball({ ...manifest, 'package/a.json': '{' }), /package\/a\.json is not JSON/],
  ])('of %s is refused', (_, archive, words) => {
    expect(() => readPackageArchive(archive)).toThrow(PackageError)
    expect(() => readPackageArchive(archive)).toThrow(words)
  })

  it('that unpacks to too much is refused before it does', () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    expect(() => filesOf(bomb, { ...PACKAGE_LIMITS, bytes: 1_000_000 })).toThrow(/unpacks to more than 1000000 bytes/)
    expect(() => filesOf(bomb, { ...PACKAGE_LIMITS, compressedBytes: 100 })).toThrow(/larger than 100 bytes/)
    const many = gzipSync(tar(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, '']))))
    expect(() => filesOf(many, { ...PACKAGE_LIMITS, files: 19 })).toThrow(/more than 19 files/)
  })
})

describe('a folder of packages', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'consentry-packages-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it('holds archives and unpacked ones, and names the one that cannot be used', () => {
    writeFileSync(join(folder, 'a.tgz'), tarball({ ...manifest, 'package/p.json': profile({ version: '1' }) }))
    mkdirSync(join(folder, 'b', 'package'), { recursive: true })
    writeFileSync(join(folder, 'b', 'package', 'p.json'), profile({ version: '2' }))
    mkdirSync(join(folder, 'c'))
    writeFileSync(join(folder, 'c', 'p.json'), profile({ version: '3' }))
    writeFileSync(join(folder, 'README.md'), 'x')
    expect(readPackages(folder).map(({ version }) => version)).toEqual(['1', '2', '3'])
    writeFileSync(join(folder, 'd.tgz'), 'x')
    expect(() => readPackages(folder)).toThrow(/^The FHIR package d\.tgz cannot be used: is not gzip\.$/)
  })
})

describe.skipIf(!hasSharedData)('packages of others (needs ../shared/data)', () => {
  const read = (...path: string[]): Resource[] =>
    readPackageArchive(packageOf('a.b', readFileSync(join(SHARED_DATA, ...path))))

  /** Examples of the publisher, and from how many on it would be a surprise if fewer claimed a profile. */
  it.each<[string, string[], string[], number]>([
    ['US Core 6.1.0', ['us-core', 'uscore-6.1.0-definitions.ndjson.gz'], ['us-core', 'uscore-6.1.0-examples'], 90],
    ['IPS 2.0.0', ['ips', 'ips-2.0.0-definitions.ndjson.gz'], ['ips', 'ips-2.0.0-examples'], 10],
    ['BALP 1.1.4', ['ihe-balp', 'balp-1.1.4-definitions.ndjson.gz'], ['ihe-balp', 'balp-1.1.4-examples'], 15],
    ['PCF 1.1.1', ['ihe-pcf', 'pcf-1.1.1-ci-definitions.ndjson.gz'], ['ihe-pcf', 'pcf-1.1.1-ci-examples'], 10],
  ])('%s: loads, and its examples conform', (_, definitions, examples, atLeast) => {
    const profiles = new Profiles(read(...definitions))
    const resources = listShared(...examples).map((name) => readShared(...examples, name))
    const claiming = resources.filter((resource) => profiles.claimedBy(resource).length > 0)
    expect(claiming.length).toBeGreaterThanOrEqual(atLeast)
    for (const resource of claiming) expect(profiles.judge(resource as ValidResource), resource.id).toEqual([])
  })

  it('US Core 7.0.0 loads, beside 6.1.0, each with its version', () => {
    const profiles = new Profiles([
      ...read('us-core', 'uscore-6.1.0-definitions.ndjson.gz'),
      ...read('us-core', 'uscore-7.0.0-definitions.ndjson.gz'),
    ])
    const patient = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient'
    const { resource } = validate({ resourceType: 'Patient', name: [{ family: 'x' }], gender: 'male' })
    for (const url of [patient, `${patient}|6.1.0`, `${patient}|7.0.0`]) {
      expect(profiles.has(url)).toBe(true)
      expect(profiles.check(resource as ValidResource, url).map(({ diagnostics }) => diagnostics)).toContain(
        'Patient.identifier: the element must be there at least 1 time, not 0.',
      )
    }
    expect(profiles.has(`${patient}|5.0.1`)).toBe(false)
    expect(profiles.loadedOf('Patient')).toEqual([patient])
    expect(profiles.loadedOf('Extension')).toEqual([])
    expect(profiles.loadedOf('Observation').length).toBeGreaterThan(20)
  })

  it('have no constraint that is not checked', () => {
    const definitions = [
      read('us-core', 'uscore-6.1.0-definitions.ndjson.gz'),
      read('us-core', 'uscore-7.0.0-definitions.ndjson.gz'),
      read('ips', 'ips-2.0.0-definitions.ndjson.gz'),
      read('ihe-balp', 'balp-1.1.4-definitions.ndjson.gz'),
      read('ihe-pcf', 'pcf-1.1.1-ci-definitions.ndjson.gz'),
    ].flat()
    const profiles = new Profiles(definitions)
    const urls = definitions.flatMap(({ resourceType, url }) =>
      resourceType === 'StructureDefinition' ? [url as string] : [],
    )
    expect(urls.length).toBeGreaterThan(150)
    expect(urls.flatMap((url) => profiles.uncheckedIn(url))).toEqual([])
    const beyond = profile({
      url: 'http://a.org/beyond',
      differential: {
        element: [
          { id: 'Patient', path: 'Patient' },
          {
            id: 'Patient.name',
            path: 'Patient.name',
            constraint: [{ key: 'b-1', severity: 'error', human: 'x', expression: 'a.aggregate($total + 1) > 1' }],
          },
        ],
      },
    })
    expect(new Profiles([JSON.parse(beyond) as Resource]).uncheckedIn('http://a.org/beyond')).toEqual(['b-1'])
  })
})
