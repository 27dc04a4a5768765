import { createHash } from 'node:crypto'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import * as digest from 'multiformats/hashes/digest'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEdge, type TestEdge } from '../support/edge.js'

const cidOf = (bytes: Uint8Array, codec = 0x55) =>
  CID.createV1(codec, digest.create(0x12, createHash('sha256').update(bytes).digest()))
const block = Buffer.from('ciphertext')
const present = cidOf(block).toString()
const missing = cidOf(Buffer.from('elsewhere')).toString()
let edge: TestEdge

beforeAll(async () => {
  edge = await startEdge({
    readBlock: async (cid) => (cid === present ? block : undefined),
  })
})
afterAll(() => edge.close())

const get = (path: string) => request(edge.origin).get(path)

describe('/ipfs', () => {
  it.each([
    ['the query', `/ipfs/${present}?format=raw`, '*/*'],
    ['Accept', `/ipfs/${present}`, 'application/vnd.ipld.raw'],
  ])('gives a block asked for by %s, for ever, without a token', async (_name, path, accept) => {
    const response = await fetch(`${edge.origin}${path}`, { headers: { accept } })
    expect(response.status).toBe(200)
    expect(Buffer.from(await response.arrayBuffer())).toEqual(block)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/vnd.ipld.raw',
      'cache-control': 'public, max-age=29030400, immutable',
      etag: `"${present}.raw"`,
      'x-ipfs-path': `/ipfs/${present}`,
      'content-disposition': `attachment; filename="${present}.bin"`,
      'x-content-type-options': 'nosniff',
    })
  })

  it('answers HEAD, and 304 for what it would give alone', async () => {
    const head = await request(edge.origin).head(`/ipfs/${present}?format=raw`).expect(200)
    expect(head.headers['content-length']).toBe(String(block.length))
    for (const held of [`"${present}.raw"`, `W/"${present}.raw"`, `"x", "${present}.raw"`, '*'])
      await get(`/ipfs/${present}?format=raw`).set('If-None-Match', held).expect(304)
    for (const held of [`"${missing}.raw"`, '*'])
      await get(`/ipfs/${missing}?format=raw`).set('If-None-Match', held).expect(404)
  })

  it('takes another base of the same CID', async () => {
    const response = await get(`/ipfs/${CID.parse(present).toString(base36)}?format=raw`).expect(200)
    expect(response.headers['etag']).toBe(`"${present}.raw"`)
  })

  it('says 404 for what is not here, and that this may change', async () => {
    const response = await get(`/ipfs/${missing}?format=raw`).expect(404)
    expect(response.body).toMatchObject({ resourceType: 'OperationOutcome' })
    expect(response.headers['cache-control']).toBe('no-store')
    expect(response.headers).not.toHaveProperty('etag')
  })

  it.each([
    ['/ipfs/nonsense?format=raw', 400],
    ['/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG?format=raw', 400],
    [`/ipfs/${cidOf(block, 0x70).toString()}?format=raw`, 400],
    [`/ipfs/${present}`, 406],
    [`/ipfs/${present}?format=car`, 406],
    [`/ipfs/${present}/path?format=raw`, 404],
  ])('refuses %s with %i', async (path, status) => {
    await get(path).expect(status)
  })
})
