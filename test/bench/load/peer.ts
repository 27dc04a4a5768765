/** node test/bench/load/peer.ts: `@medplum/fhir-router` with its MemoryRepository behind node:http; keeps, checks and asks nothing. */
import { createServer } from 'node:http'
import { type FhirRequest, FhirRouter, MemoryRepository } from '@medplum/fhir-router'

const router = new FhirRouter()
const repository = new MemoryRepository()
const server = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const asked = {
      method: 'POST',
      url: '/',
      body: JSON.parse(Buffer.concat(parts).toString()) as unknown,
      // The router takes the path from the URL and refuses one beside it, whatever its type says.
      params: {},
      query: {},
    }
    void router.handleRequest(asked as FhirRequest, repository).then(([outcome, resource]) => {
      response.writeHead(outcome.id === 'ok' || outcome.id === 'created' ? 200 : 400, {
        'content-type': 'application/fhir+json',
      })
      response.end(JSON.stringify(resource ?? outcome))
    })
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(`ready: http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
})
