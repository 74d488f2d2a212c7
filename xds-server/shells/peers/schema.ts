/** protos/sluice/v1/brains.proto as protobufjs reads it; wire.test.ts holds the two together. */
export const schema = {
  nested: {
    sluice: {
      nested: {
        v1: {
          nested: {
            Brains: {
              methods: {
                Follow: {
                  requestType: 'Telling',
                  requestStream: true,
                  responseType: 'Ordering',
                  responseStream: true,
                },
              },
            },
            Telling: {
              oneofs: {
                _term: {
                  oneof: ['term'],
                },
              },
              fields: {
                term: {
                  type: 'uint64',
                  id: 1,
                  options: {
                    proto3_optional: true,
                  },
                },
                monotonicMs: {
                  type: 'double',
                  id: 2,
                },
                unixMs: {
                  type: 'double',
                  id: 3,
                },
                news: {
                  rule: 'repeated',
                  type: 'News',
                  id: 4,
                },
              },
            },
            News: {
              oneofs: {
                kind: {
                  oneof: ['check', 'cancel', 'session', 'node', 'ready', 'find', 'interrupt'],
                },
              },
              fields: {
                check: {
                  type: 'Check',
                  id: 1,
                },
                cancel: {
                  type: 'string',
                  id: 2,
                },
                session: {
                  type: 'Session',
                  id: 3,
                },
                node: {
                  type: 'Node',
                  id: 4,
                },
                ready: {
                  type: 'NodeService',
                  id: 5,
                },
                find: {
                  type: 'Find',
                  id: 6,
                },
                interrupt: {
                  type: 'Interrupt',
                  id: 7,
                },
              },
            },
            Check: {
              oneofs: {
                _frontId: {
                  oneof: ['frontId'],
                },
                _source: {
                  oneof: ['source'],
                },
              },
              fields: {
                connection: {
                  type: 'string',
                  id: 1,
                },
                node: {
                  type: 'string',
                  id: 2,
                },
                service: {
                  type: 'string',
                  id: 3,
                },
                waitedMs: {
                  type: 'double',
                  id: 4,
                },
                frontId: {
                  type: 'uint32',
                  id: 5,
                  options: {
                    proto3_optional: true,
                  },
                },
                source: {
                  type: 'string',
                  id: 6,
                  options: {
                    proto3_optional: true,
                  },
                },
                sentMs: {
                  type: 'double',
                  id: 7,
                },
              },
            },
            Session: {
              oneofs: {
                _service: {
                  oneof: ['service'],
                },
                _localAddress: {
                  oneof: ['localAddress'],
                },
                _remoteAddress: {
                  oneof: ['remoteAddress'],
                },
                _serverId: {
                  oneof: ['serverId'],
                },
                _frontId: {
                  oneof: ['frontId'],
                },
                _cancelDigest: {
                  oneof: ['cancelDigest'],
                },
                _evidence: {
                  oneof: ['evidence'],
                },
                _work: {
                  oneof: ['work'],
                },
                _ended: {
                  oneof: ['ended'],
                },
                _login: {
                  oneof: ['login'],
                },
              },
              fields: {
                connection: {
                  type: 'string',
                  id: 1,
                },
                node: {
                  type: 'string',
                  id: 2,
                },
                service: {
                  type: 'string',
                  id: 3,
                  options: {
                    proto3_optional: true,
                  },
                },
                localAddress: {
                  type: 'string',
                  id: 4,
                  options: {
                    proto3_optional: true,
                  },
                },
                remoteAddress: {
                  type: 'string',
                  id: 5,
                  options: {
                    proto3_optional: true,
                  },
                },
                serverId: {
                  type: 'double',
                  id: 6,
                  options: {
                    proto3_optional: true,
                  },
                },
                frontId: {
                  type: 'uint32',
                  id: 7,
                  options: {
                    proto3_optional: true,
                  },
                },
                cancelDigest: {
                  type: 'string',
                  id: 8,
                  options: {
                    proto3_optional: true,
                  },
                },
                evidence: {
                  type: 'string',
                  id: 9,
                  options: {
                    proto3_optional: true,
                  },
                },
                work: {
                  type: 'Work',
                  id: 10,
                  options: {
                    proto3_optional: true,
                  },
                },
                ended: {
                  type: 'Ended',
                  id: 11,
                  options: {
                    proto3_optional: true,
                  },
                },
                login: {
                  type: 'string',
                  id: 12,
                  options: {
                    proto3_optional: true,
                  },
                },
              },
            },
            Work: {
              oneofs: {
                _line: {
                  oneof: ['line'],
                },
                _bornMonotonicMs: {
                  oneof: ['bornMonotonicMs'],
                },
              },
              fields: {
                service: {
                  type: 'string',
                  id: 1,
                },
                line: {
                  type: 'string',
                  id: 2,
                  options: {
                    proto3_optional: true,
                  },
                },
                ageMs: {
                  type: 'double',
                  id: 3,
                },
                bornMonotonicMs: {
                  type: 'double',
                  id: 4,
                  options: {
                    proto3_optional: true,
                  },
                },
              },
            },
            Ended: {
              oneofs: {
                _loginError: {
                  oneof: ['loginError'],
                },
                _endedBy: {
                  oneof: ['endedBy'],
                },
              },
              fields: {
                durationMs: {
                  type: 'double',
                  id: 1,
                },
                loginError: {
                  type: 'string',
                  id: 2,
                  options: {
                    proto3_optional: true,
                  },
                },
                endedBy: {
                  type: 'string',
                  id: 3,
                  options: {
                    proto3_optional: true,
                  },
                },
              },
            },
            Node: {
              oneofs: {
                _runtime: {
                  oneof: ['runtime'],
                },
              },
              fields: {
                node: {
                  type: 'string',
                  id: 1,
                },
                isHere: {
                  type: 'bool',
                  id: 2,
                },
                runtime: {
                  type: 'string',
                  id: 3,
                  options: {
                    proto3_optional: true,
                  },
                },
              },
            },
            NodeService: {
              fields: {
                node: {
                  type: 'string',
                  id: 1,
                },
                service: {
                  type: 'string',
                  id: 2,
                },
              },
            },
            Find: {
              fields: {
                request: {
                  type: 'uint32',
                  id: 1,
                },
                node: {
                  type: 'string',
                  id: 2,
                },
                connection: {
                  type: 'string',
                  id: 3,
                },
                frontId: {
                  type: 'uint32',
                  id: 4,
                },
              },
            },
            Interrupt: {
              oneofs: {
                _serverName: {
                  oneof: ['serverName'],
                },
              },
              fields: {
                request: {
                  type: 'uint32',
                  id: 1,
                },
                pid: {
                  type: 'uint32',
                  id: 2,
                },
                secret: {
                  type: 'bytes',
                  id: 3,
                },
                address: {
                  type: 'string',
                  id: 4,
                },
                serverName: {
                  type: 'string',
                  id: 5,
                  options: {
                    proto3_optional: true,
                  },
                },
              },
            },
            Ordering: {
              fields: {
                orders: {
                  rule: 'repeated',
                  type: 'Order',
                  id: 1,
                },
              },
            },
            Order: {
              oneofs: {
                kind: {
                  oneof: ['grant', 'refuse', 'await', 'limits', 'found', 'interrupted'],
                },
              },
              fields: {
                grant: {
                  type: 'Grant',
                  id: 1,
                },
                refuse: {
                  type: 'Refuse',
                  id: 2,
                },
                await: {
                  type: 'NodeService',
                  id: 3,
                },
                limits: {
                  type: 'Limits',
                  id: 4,
                },
                found: {
                  type: 'Found',
                  id: 5,
                },
                interrupted: {
                  type: 'uint32',
                  id: 6,
                },
              },
            },
            Grant: {
              oneofs: {
                _onlyKill: {
                  oneof: ['onlyKill'],
                },
              },
              fields: {
                connection: {
                  type: 'string',
                  id: 1,
                },
                service: {
                  type: 'string',
                  id: 2,
                },
                expiresMs: {
                  type: 'double',
                  id: 3,
                },
                waitedMs: {
                  type: 'double',
                  id: 4,
                },
                onlyKill: {
                  type: 'Refusal',
                  id: 5,
                  options: {
                    proto3_optional: true,
                  },
                },
              },
            },
            Refuse: {
              fields: {
                connection: {
                  type: 'string',
                  id: 1,
                },
                service: {
                  type: 'string',
                  id: 2,
                },
                refusal: {
                  type: 'Refusal',
                  id: 3,
                },
                waitedMs: {
                  type: 'double',
                  id: 4,
                },
              },
            },
            Refusal: {
              oneofs: {
                _hint: {
                  oneof: ['hint'],
                },
              },
              fields: {
                reason: {
                  type: 'string',
                  id: 1,
                },
                sqlstate: {
                  type: 'string',
                  id: 2,
                },
                errno: {
                  type: 'uint32',
                  id: 3,
                },
                message: {
                  type: 'string',
                  id: 4,
                },
                hint: {
                  type: 'string',
                  id: 5,
                  options: {
                    proto3_optional: true,
                  },
                },
                retryable: {
                  type: 'bool',
                  id: 6,
                },
              },
            },
            Limits: {
              fields: {
                spec: {
                  type: 'string',
                  id: 1,
                },
                limits: {
                  keyType: 'string',
                  type: 'uint32',
                  id: 2,
                },
              },
            },
            Found: {
              oneofs: {
                _serverId: {
                  oneof: ['serverId'],
                },
              },
              fields: {
                request: {
                  type: 'uint32',
                  id: 1,
                },
                serverId: {
                  type: 'double',
                  id: 2,
                  options: {
                    proto3_optional: true,
                  },
                },
              },
            },
          },
        },
      },
    },
  },
};
