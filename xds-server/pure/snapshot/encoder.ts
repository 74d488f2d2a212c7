import type { Field, OneOf, ReflectionObject, Root } from 'protobufjs';
import protobuf from 'protobufjs';

/**
 * Message objects (snake_case, enums by name, an Any as `{'@type': …, …fields}`) to protobuf bytes.
 *
 * Strict: what the schema does not know is refused, with its path, instead of being dropped on the way to a node.
 * Deterministic: fields in the order of their numbers, map entries in the order of their keys, no default that the
 * wire does not need; equal objects give equal bytes, whatever the order of their properties.
 */
export class Encoder {
  readonly root: Root;
  readonly #types = new Map<string, MessageType>();

  /** @param root every message that can be encoded, with resolved types. */
  constructor(root: Root) {
    this.root = root;
  }

  /**
   * @param typeName such as `envoy.config.cluster.v3.Cluster`
   * @throws Error naming the path of the first thing that is not as the schema has it
   */
  encode(typeName: string, message: object): Uint8Array {
    return this.#message(this.#type(typeName, ''), message, typeName, 0);
  }

  #message(type: MessageType, value: unknown, path: string, depth: number): Uint8Array {
    if (depth > maxDepth) throw wrong(path, `at most ${maxDepth} nested messages`, 'more (a cycle?)');
    if (!isPlainObject(value)) throw wrong(path, `a message ${type.name}`, describe(value));
    for (const name of Object.keys(value)) {
      if (!type.byName.has(name)) throw wrong(`${path}.${name}`, `a field of ${type.name}`, 'an unknown one');
    }
    const writer = protobuf.Writer.create();
    const chosen = new Map<OneOf, string>();
    for (const field of type.fields) {
      if (!Object.hasOwn(value, field.name)) continue;
      if (field.partOf) {
        const other = chosen.get(field.partOf);
        if (other)
          throw wrong(`${path}.${field.name}`, `one member of ${field.partOf.name}`, `${other} as well`);
        chosen.set(field.partOf, field.name);
      }
      this.#field(writer, field, value[field.name], `${path}.${field.name}`, depth);
    }
    return writer.finish();
  }

  #field(writer: protobuf.Writer, field: Field, value: unknown, path: string, depth: number): void {
    if (field.map) {
      if (!isPlainObject(value)) throw wrong(path, 'an object as map', describe(value));
      for (const key of Object.keys(value).sort()) {
        const entry = protobuf.Writer.create();
        // Keys of every map in use are strings; a proto3 map entry with a default value may leave it out.
        if (keyType(field) !== 'string') throw wrong(path, 'a map with string keys', keyType(field));
        entry.uint32(tag(1, 2)).string(text(key, path));
        this.#element(entry, field, 2, value[key], `${path}[${JSON.stringify(key)}]`, depth);
        writer.uint32(tag(field.id, 2)).bytes(entry.finish());
      }
    } else if (field.repeated) {
      if (!Array.isArray(value)) throw wrong(path, 'an array', describe(value));
      if (value.length === 0) return;
      if (field.packed && wireTypes[field.type] !== 2 && !isMessage(field.resolvedType)) {
        const packed = protobuf.Writer.create();
        for (const [i, element] of value.entries()) this.#scalar(packed, field, element, `${path}[${i}]`);
        writer.uint32(tag(field.id, 2)).bytes(packed.finish());
      } else {
        for (const [i, element] of value.entries())
          this.#element(writer, field, field.id, element, `${path}[${i}]`, depth);
      }
    } else {
      // Without presence, proto3 does not write a default; it is checked all the same.
      const hasPresence = field.partOf !== null || isMessage(field.resolvedType);
      const target = hasPresence || !isDefault(field, value) ? writer : protobuf.Writer.create();
      this.#element(target, field, field.id, value, path, depth);
    }
  }

  #element(w: protobuf.Writer, field: Field, id: number, value: unknown, path: string, depth: number): void {
    if (isMessage(field.resolvedType)) {
      const name = fullName(field.resolvedType);
      const bytes =
        name === 'google.protobuf.Any'
          ? this.#any(value, path, depth + 1)
          : this.#message(this.#type(name, path), value, path, depth + 1);
      w.uint32(tag(id, 2)).bytes(bytes);
    } else {
      w.uint32(tag(id, field.resolvedType ? 0 : wireTypes[field.type]!));
      this.#scalar(w, field, value, path);
    }
  }

  #any(value: unknown, path: string, depth: number): Uint8Array {
    if (!isPlainObject(value)) throw wrong(path, "an object with '@type'", describe(value));
    const { '@type': url, ...fields } = value;
    if (typeof url !== 'string') throw wrong(`${path}.@type`, `'${anyPrefix}…'`, describe(url));
    if (!url.startsWith(anyPrefix)) throw wrong(`${path}.@type`, `'${anyPrefix}…'`, JSON.stringify(url));
    const name = url.slice(anyPrefix.length);
    const bytes = this.#message(this.#type(name, `${path}.@type`), fields, `${path}(${name})`, depth);
    const writer = protobuf.Writer.create();
    writer.uint32(tag(1, 2)).string(url);
    if (bytes.length > 0) writer.uint32(tag(2, 2)).bytes(bytes);
    return writer.finish();
  }

  #scalar(writer: protobuf.Writer, field: Field, value: unknown, path: string): void {
    if (field.resolvedType instanceof protobuf.Enum) {
      const { values } = field.resolvedType;
      if (typeof value !== 'string' || !Object.hasOwn(values, value))
        throw wrong(path, `one of ${Object.keys(values).join(', ')}`, enumName(value));
      writer.int32(values[value]!);
      return;
    }
    const type = field.type as ScalarType;
    if (type === 'string') writer.string(text(value, path));
    else if (type === 'bytes') {
      if (!(value instanceof Uint8Array)) throw wrong(path, 'bytes', describe(value));
      writer.bytes(value);
    } else if (type === 'bool') {
      if (typeof value !== 'boolean') throw wrong(path, 'true or false', describe(value));
      writer.bool(value);
    } else {
      const [low, high] = ranges[type];
      const isWhole = type === 'double' || type === 'float' || Number.isSafeInteger(value);
      if (typeof value !== 'number' || !isWhole || !(value >= low && value <= high))
        throw wrong(path, `${type} from ${low} to ${high}`, describe(value));
      writer[type](value);
    }
  }

  #type(name: string, path: string): MessageType {
    let known = this.#types.get(name);
    if (!known) {
      const found: ReflectionObject | null = this.root.lookup(name, [protobuf.Type]);
      if (!isMessage(found) || fullName(found) !== name)
        throw wrong(path, 'the full name of a known message', JSON.stringify(name));
      const fields = [...found.fieldsArray].sort((a, b) => a.id - b.id);
      known = { name, fields, byName: new Set(fields.map((field) => field.name)) };
      this.#types.set(name, known);
    }
    return known;
  }
}

interface MessageType {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly byName: ReadonlySet<string>;
}

const anyPrefix = 'type.googleapis.com/';

/** Nothing in Envoy's API comes near; a cyclic object ends here instead of on the stack. */
const maxDepth = 64;

/** Wire type by scalar type: https://protobuf.dev/programming-guides/encoding/#structure */
const wireTypes: Readonly<Record<string, number>> = {
  ...{ int32: 0, uint32: 0, sint32: 0, int64: 0, uint64: 0, sint64: 0, bool: 0 },
  ...{ fixed64: 1, sfixed64: 1, double: 1, string: 2, bytes: 2, fixed32: 5, sfixed32: 5, float: 5 },
};

type NumberType = keyof typeof ranges;
type ScalarType = NumberType | 'string' | 'bytes' | 'bool';

const int32 = [-(2 ** 31), 2 ** 31 - 1] as const;
const uint32 = [0, 2 ** 32 - 1] as const;
/** A number of JavaScript holds no more than this exactly. */
const int64 = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;
const uint64 = [0, Number.MAX_SAFE_INTEGER] as const;
const ranges = {
  ...{ int32, sint32: int32, sfixed32: int32, uint32, fixed32: uint32 },
  ...{ int64, sint64: int64, sfixed64: int64, uint64, fixed64: uint64 },
  double: [-Number.MAX_VALUE, Number.MAX_VALUE] as const,
  float: [-3.4028234663852886e38, 3.4028234663852886e38] as const,
};

function tag(id: number, wireType: number): number {
  return ((id << 3) | wireType) >>> 0;
}

function keyType(field: Field): string {
  return field instanceof protobuf.MapField ? field.keyType : 'string';
}

function isMessage(type: ReflectionObject | null): type is protobuf.Type {
  return type instanceof protobuf.Type;
}

function fullName(type: protobuf.Type): string {
  return type.fullName.slice(1);
}

function isDefault(field: Field, value: unknown): boolean {
  if (field.resolvedType instanceof protobuf.Enum)
    return typeof value === 'string' && field.resolvedType.values[value] === 0;
  if (value instanceof Uint8Array) return value.length === 0;
  // A negative zero is a value of its own for floating point only.
  if (field.type === 'double' || field.type === 'float') return Object.is(value, 0);
  return value === 0 || value === '' || value === false;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

/** UTF-8 has no form for half a surrogate pair: it would arrive as another text. */
function text(value: unknown, path: string): string {
  if (typeof value !== 'string') throw wrong(path, 'a string', describe(value));
  if (/\p{Surrogate}/u.test(value)) throw wrong(path, 'well-formed Unicode', 'half a surrogate pair');
  return value;
}

/** Never the value of a string or of bytes: secrets are encoded here too. */
function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Uint8Array) return 'bytes';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function enumName(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : describe(value);
}

function wrong(path: string, expected: string, found: string): Error {
  return new Error(`${path}: expected ${expected}, found ${found}`);
}
