/**
 * `node --import` this before a gateway, for a test that looks into it from outside:
 *
 * - each answer tells in `x-statements` how many statements its request had sent to the database until then, as count-statements.mjs does, but for
 *   what is written: records that several requests commit at once are one statement, of whichever of them;
 * - a request with `x-clock: ms` is carried out with a clock that is moved by so much. Tokens are judged by the true time: the authenticator
 *   took its clock at the start, and the others look for theirs when they need it;
 * - a request with `x-hold: n` stops before its n-th statement, whichever, until it is released; `x-turns` tells how many there are;
 * - a request with `x-instrument` is answered here: `routes` as Fastify has registered them, `folds` committed changes of the mirror of the
 *   ledger, `held` requests that wait, `release` lets them go.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import diagnostics from 'node:diagnostics_channel'
import { Server } from 'node:http'
import pg from 'pg'

const requests = new AsyncLocalStorage()
const routes = []
const held = []
let folds = 0

diagnostics.subscribe('fastify.initialization', ({ fastify }) => {
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const name of [method].flat()) routes.push(`${name} ${url}`)
  })
})

const TOLD = {
  routes: () => routes,
  folds: () => folds,
  held: () => held.length,
  release: () => held.splice(0).map((go) => go()).length,
}

let clockIsMovable = false
function moveClock() {
  if (clockIsMovable) return
  clockIsMovable = true
  const { now } = Date
  Date.now = () => now() + (requests.getStore()?.ahead ?? 0)
}

const { emit } = Server.prototype
Server.prototype.emit = function (event, ...given) {
  if (event !== 'request') return emit.call(this, event, ...given)
  const [{ headers }, response] = given
  const asked = headers['x-instrument']
  if (asked !== undefined) return response.end(JSON.stringify(TOLD[asked]()))
  moveClock()
  const request = {
    statements: 0,
    turns: 0,
    ahead: Number(headers['x-clock'] ?? 0),
    hold: Number(headers['x-hold'] ?? 0),
  }
  // what goes on after the answer, commits of others among it, is in this context too and must not wait
  response.once('close', () => (request.hold = 0))
  const { writeHead } = response
  response.writeHead = function (...head) {
    this.setHeader('x-statements', request.statements)
    this.setHeader('x-turns', request.turns)
    return writeHead.apply(this, head)
  }
  return requests.run(request, () => emit.call(this, event, ...given))
}

/** Before a statement of a request. @returns what it is to wait for, if anything */
function turn(statement) {
  const request = requests.getStore()
  if (request === undefined) return undefined
  if (!/\bINSERT INTO\b/.test(statement?.text ?? '')) request.statements++
  request.turns++
  return request.turns === request.hold ? new Promise((go) => held.push(go)) : undefined
}

const { query, connect } = pg.Pool.prototype
pg.Pool.prototype.query = function (...given) {
  const free = turn(given[0])
  return free === undefined ? query.apply(this, given) : free.then(() => query.apply(this, given))
}
// with a callback it is a part of `query`
pg.Pool.prototype.connect = function (callback) {
  const free = callback === undefined ? turn() : undefined
  return free === undefined ? connect.call(this, callback) : free.then(() => connect.call(this))
}

const { query: send } = pg.Client.prototype
pg.Client.prototype.query = function (...given) {
  const text = typeof given[0] === 'string' ? given[0] : given[0]?.text
  if (/^DELETE FROM ("grant"|party)/.test(text ?? '')) this.folds = true
  const sent = send.apply(this, given)
  if (text !== 'COMMIT' || this.folds !== true) return sent
  this.folds = false
  return sent.then((result) => {
    folds++
    return result
  })
}
