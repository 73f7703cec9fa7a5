/**
 * The pieces the reply schemas are made of, and the compile-time check that ties each to its view.
 */
import { type Static, type TSchema, Type } from 'typebox'

/** `readonly` all the way down is the views' promise to the API; JSON Schema has no word for it. */
type Plain<T> = T extends readonly (infer Item)[]
  ? Plain<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Plain<T[Key]> }
    : T
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? unknown : never

/**
 * Names a schema as the shape of a view. It doesn't compile unless both describe the same type;
 * the name is the schema's place among the components of the OpenAPI document.
 */
export function shape<View>() {
  return <Schema extends TSchema>(
    title: string,
    schema: Schema & Same<Plain<Static<Schema>>, Plain<View>>,
  ) => Type.Unsafe<View>(Object.assign(schema, { title }))
}

export const nullable = <Schema extends TSchema>(schema: Schema) =>
  Type.Union([schema, Type.Null()])
export const text = (description?: string) =>
  Type.String(description === undefined ? {} : { description })
export const textOrNull = (description?: string) =>
  Type.Union([Type.String(), Type.Null()], description === undefined ? {} : { description })
export const count = () => Type.Integer({ minimum: 0 })
export const prefixText = () => Type.String({ description: 'Canonical CIDR text' })
export const instant = () => Type.Number({ description: 'Unix time in milliseconds' })
export const data = () => Type.Record(Type.String(), Type.Unknown())
export const families = () =>
  Type.Union([Type.Literal('ipv4-unicast'), Type.Literal('ipv6-unicast')])
export const levels = () =>
  Type.Union([
    Type.Literal('debug'),
    Type.Literal('info'),
    Type.Literal('warn'),
    Type.Literal('error'),
  ])
