/**
 * `node --import` this before a gateway: each of its answers tells in `x-statements` how many statements its request had sent to the database until
 * then. A transaction counts as one. What goes on behind requests is not counted.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { Server } from 'node:http'
import pg from 'pg'

const requests = new AsyncLocalStorage()
const count = () => {
  const request = requests.getStore()
  if (request !== undefined) request.statements++
}

const { emit } = Server.prototype
Server.prototype.emit = function (event, ...given) {
  if (event !== 'request') return emit.call(this, event, ...given)
  const request = { statements: 0 }
  const [, response] = given
  const { writeHead } = response
  response.writeHead = function (...head) {
    this.setHeader('x-statements', request.statements)
    return writeHead.apply(this, head)
  }
  return requests.run(request, () => emit.call(this, event, ...given))
}

const { query, connect } = pg.Pool.prototype
pg.Pool.prototype.query = function (...given) {
  count()
  return query.apply(this, given)
}
// with a callback it is a part of `query`
pg.Pool.prototype.connect = function (callback) {
  if (callback === undefined) count()
  return connect.call(this, callback)
}
