import { ConsentryError } from '../../errors.js'

interface Parameter {
  readonly name?: unknown
  readonly valueAttachment?: { readonly data?: unknown }
}

/** The receipt in a file: itself, or the Parameters of `$receipt`. @throws ConsentryError `malformed` */
export function receiptFrom(text: string): unknown {
  const value = parsed(text)
  const { resourceType, parameter } = (value ?? {}) as { resourceType?: unknown; parameter?: unknown }
  if (resourceType !== 'Parameters') return value
  const list = Array.isArray(parameter) ? (parameter as Parameter[]) : []
  const data = list.find(({ name }) => name === 'receipt')?.valueAttachment?.data
  if (typeof data !== 'string') throw new ConsentryError('malformed', 'These Parameters hold no receipt.')
  return parsed(Buffer.from(data, 'base64').toString())
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new ConsentryError('malformed', 'The file is no JSON.', { cause })
  }
}
