/**
 * sluice.v1.Sessions (protos/sluice/v1/sessions.proto): nodes ask which session a number of the front's means, and which of
 * their idle ones are too many; and tell of logins.
 */
import protobuf from 'protobufjs';
import type { Login } from '../../pure/cancel/session-directory.js';
import type { ConnectionId, NodeId } from '../../pure/ledger/events.js';
import { type Method, unary } from '../../pure/rpc/rpc.js';
import type { Offer } from '../../pure/surplus/surplus.js';
import { eachField, eachNested, type FieldReader, readerOf } from '../envoy-api/fields.js';
import type { Question } from './session-finder.js';

/** LoggedInResponse. */
const nothing = new Uint8Array();
const maxQuestionBytes = 1024;
const mostOffers = 1_000;
const maxOffersBytes = 64 * mostOffers;
const mostLogins = 1_000;
const maxLoginsBytes = 128 * mostLogins;
/** A digest has 32. */
const maxDigestChars = 64;

/** @param find resolves with the server's id; undefined where there is no session that may be meant */
export function findSessionMethod(
  find: (question: Question, node: NodeId) => Promise<number | undefined>,
): Method<Question> {
  const question = {
    path: '/sluice.v1.Sessions/FindSession',
    maxMessageBytes: maxQuestionBytes,
    decode: readQuestion,
  };
  return unary(question, (message, call) => {
    void find(message, call.caller.node).then((serverId) => call.reply(writeAnswer(serverId ?? 0)));
    return () => undefined;
  });
}

/** @param surplus resolves with those of the sessions that shall end */
export function surplusMethod(
  surplus: (offers: readonly Offer[], node: NodeId) => Promise<readonly ConnectionId[]>,
): Method<readonly Offer[]> {
  const question = {
    path: '/sluice.v1.Sessions/Surplus',
    maxMessageBytes: maxOffersBytes,
    decode: readOffers,
  };
  return unary(question, (offers, call) => {
    void surplus(offers, call.caller.node).then((connections) => call.reply(writeSurplus(connections)));
    return () => undefined;
  });
}

/** @param loggedIn told of each session that has logged in; whose it is said to be is not looked at */
export function loggedInMethod(loggedIn: (login: Login) => void): Method<readonly Omit<Login, 'node'>[]> {
  const telling = {
    path: '/sluice.v1.Sessions/LoggedIn',
    maxMessageBytes: maxLoginsBytes,
    decode: readLogins,
  };
  return unary(telling, (logins, call) => {
    for (const login of logins) loggedIn({ ...login, node: call.caller.node });
    call.reply(nothing);
    return () => undefined;
  });
}

function readQuestion(bytes: Uint8Array): Question {
  const reader = readerOf(bytes);
  let connection = '';
  let frontId = 0;
  eachField(reader, reader.len, (field) => {
    if (field === 1) connection = reader.string();
    else if (field === 2) frontId = reader.uint32();
    else return false;
    return true;
  });
  return { connection, frontId };
}

function writeAnswer(serverId: number): Uint8Array {
  const writer = protobuf.Writer.create();
  if (serverId !== 0) writer.uint32(1 << 3).uint32(serverId);
  return writer.finish();
}

function readOffers(bytes: Uint8Array): readonly Offer[] {
  const reader = readerOf(bytes);
  const offers: Offer[] = [];
  eachField(reader, reader.len, (field) => {
    if (field !== 1) return false;
    // Empty ones are small: what is passed on to the leader is not.
    if (offers.length >= mostOffers) throw new RangeError(`expected at most ${mostOffers} sessions`);
    offers.push(readOffer(reader));
    return true;
  });
  return offers;
}

function readOffer(reader: FieldReader): Offer {
  let connection = '';
  let idleMs = 0;
  eachNested(reader, (field) => {
    if (field === 1) connection = reader.string();
    else if (field === 2) idleMs = reader.uint32();
    else return false;
    return true;
  });
  return { connection, idleMs };
}

function readLogins(bytes: Uint8Array): readonly Omit<Login, 'node'>[] {
  const reader = readerOf(bytes);
  const logins: Omit<Login, 'node'>[] = [];
  eachField(reader, reader.len, (field) => {
    if (field !== 1) return false;
    if (logins.length >= mostLogins) throw new RangeError(`expected at most ${mostLogins} logins`);
    logins.push(readLogin(reader));
    return true;
  });
  return logins;
}

function readLogin(reader: FieldReader): Omit<Login, 'node'> {
  let connection = '';
  let serverId = 0;
  let frontId = 0;
  let digest = '';
  eachNested(reader, (field) => {
    if (field === 1) connection = reader.string();
    else if (field === 2) serverId = reader.uint32();
    else if (field === 3) frontId = reader.uint32();
    else if (field === 4) digest = reader.string();
    else return false;
    return true;
  });
  const cancelDigest = digest === '' || digest.length > maxDigestChars ? undefined : digest;
  return { connection, serverId, frontId: frontId === 0 ? undefined : frontId, cancelDigest };
}

/** A node takes no more. */
const mostConnections = 1_000;

function writeSurplus(connections: readonly ConnectionId[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const connection of connections.slice(0, mostConnections))
    writer.uint32((1 << 3) | 2).string(connection);
  return writer.finish();
}
