/** The text of abi.ts for the contracts as they are built now. */
export function bindings(): Promise<string>
