#include "schema.h"

namespace eventhubs {

// `topic` has no default here: whether it was written decides what a connection string with an
// EntityPath means. The host's default template applies when it was not.
constexpr char kConfigSchema[] =
    R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "connection": {
      "type": "string", "x-secret": true,
      "description": "Connection string of Event Hubs. This, namespace or brokers."
    },
    "namespace": {
      "type": "string", "minLength": 1, "maxLength": 255,
      "description": "Host of an Event Hubs namespace, to be reached with tokens (oauth)."
    },
    "brokers": {
      "type": "string", "minLength": 1, "maxLength": 4096,
      "description": "Kafka brokers, host:port,host:port."
    },
    "oauth": {
      "type": "object", "additionalProperties": false, "required": ["method"],
      "description": "Access tokens (OAUTHBEARER), of Microsoft Entra ID or another server.",
      "properties": {
        "method": {
          "enum": ["client_secret", "workload_identity", "managed_identity"],
          "description": "Who we are: an application and its secret; one and a token file; )json"
    R"json(the identity of this machine or service."
        },
        "tenant_id": {
          "type": "string", "minLength": 1, "maxLength": 255,
          "description": "Entra ID tenant. Default: AZURE_TENANT_ID."
        },
        "client_id": {
          "type": "string", "minLength": 1, "maxLength": 255,
          "description": "Application, or user-assigned identity. Default for )json"
    R"json(workload_identity: AZURE_CLIENT_ID."
        },
        "client_secret": {
          "type": "string", "minLength": 1, "x-secret": true,
          "description": "Secret of the application."
        },
        "token_file": {
          "type": "string", "minLength": 1,
          "description": "The platform's token, read anew each time. Default: )json"
    R"json(AZURE_FEDERATED_TOKEN_FILE."
        },
        "scope": {
          "type": "string", "minLength": 1, "maxLength": 1024,
          "description": "What the token is for. Default with namespace: https://HOST/.default."
        },
        "authority": {
          "type": "string", "minLength": 1, "maxLength": 1024,
          "description": "Entra ID of the cloud. Default: AZURE_AUTHORITY_HOST, else )json"
    R"json(https://login.microsoftonline.com."
        },
        "token_url": {
          "type": "string", "minLength": 1, "maxLength": 2048,
          "description": "Token endpoint, instead of authority and tenant_id."
        },
        "ca_file": {
          "type": "string", "minLength": 1,
          "description": "PEM file of the CAs to trust there. Default: the system's."
        }
      }
    },
    "topic": {
      "type": "string", "minLength": 1,
      "description": "Topic template. Default: EntityPath, else {database}.{schema}.{table}."
    },
    "tls": {
      "type": "object", "additionalProperties": false,
      "description": "TLS towards brokers. With connection it is always on.",
      "properties": {
        "enabled": {
          "type": "boolean",
          "description": "Default: true if there is a tls section."
        },
        "ca_file": {
          "type": "string", "minLength": 1,
          "description": "PEM file of the CAs to trust. Default: the system's."
        },
        "certificate_file": {
          "type": "string", "minLength": 1,
          "description": "PEM file of the client's certificate."
        },
        "key_file": {
          "type": "string", "minLength": 1,
          "description": "PEM file of the client's key."
        },
        "key_password": {
          "type": "string", "x-secret": true,
          "description": "Password of the client's key."
        }
      }
    },
    "sasl": {
      "type": "object", "additionalProperties": false, "required": ["username", "password"],
      "description": "User and password towards brokers.",
      "properties": {
        "mechanism": {
          "enum": ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "default": "PLAIN",
          "description": "How the password is shown to the broker."
        },
        "username": {"type": "string", "minLength": 1, "description": "User."},
        "password": {
          "type": "string", "minLength": 1, "x-secret": true,
          "description": "Password."
        }
      }
    },
    "client_id": {
      "type": "string", "minLength": 1, "maxLength": 255, "default": "dstream",
      "description": "Name the broker's logs and quotas know this client by."
    },
    "linger": {
      "type": "string", "format": "duration", "x-maximum": "10s", "default": "20ms",
      "description": "How long a batch waits for more messages."
    },
    "batch_bytes": {
      "type": "string", "format": "size", "x-minimum": "1KiB", "x-maximum": "20MiB",
      "default": "1000000B",
      "description": "Largest batch. Event Hubs takes 1046528B, the Dedicated tier more."
    },
    "message_bytes_max": {
      "type": "string", "format": "size", "x-minimum": "1KiB", "x-maximum": "20MiB",
      "default": "1000000B",
      "description": "Larger messages are rejected before they are sent."
    },
    "in_flight_bytes": {
      "type": "string", "format": "size", "x-minimum": "64KiB", "x-maximum": "1GiB",
      "default": "16MiB",
      "description": "What the Kafka client may hold at a time, over all partitions."
    },
    "max_events_per_second": {
      "type": "integer", "minimum": 0, "maximum": 1000000000, "default": 0,
      "description": "No more messages a second than this, so that others keep their share of )json"
    R"json(the namespace. 0: as many as the broker takes."
    },
    "max_bytes_per_second": {
      "type": "string", "format": "size", "x-maximum": "4GiB", "default": "0B",
      "description": "No more bytes of messages a second. 0B: as many as the broker takes."
    },
    "compression": {
      "enum": ["none", "gzip", "snappy", "lz4", "zstd"], "default": "none",
      "description": "Event Hubs takes none; gzip in the Premium and Dedicated tiers."
    },
    "partitioner": {
      "enum": ["murmur2", "crc32", "fnv1a"], "default": "murmur2",
      "description": "From key to partition: as Java, librdkafka or Sarama do it."
    },
    "auto_create_topics": {
      "type": "boolean", "default": false,
      "description": "Let the broker create a missing topic, if it does so."
    },
    "create_topics": {
      "type": "object", "additionalProperties": false, "required": ["partitions"],
      "description": "Make a topic that is missing. Without this key the pipeline stops instead.",
      "properties": {
        "partitions": {
          "type": "integer", "minimum": 1, "maximum": 10000,
          "description": "Partitions of a new topic."
        },
        "replication": {
          "type": "integer", "minimum": -1, "maximum": 100, "default": -1,
          "description": "Replicas of each. -1: as many as the broker makes by itself."
        },
        "config": {
          "type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]},
          "description": "Its configuration: cleanup.policy: compact."
        }
      }
    },
    "partition_check_interval": {
      "type": "string", "format": "duration", "x-maximum": "24h", "default": "1m",
      "description": "How often topics are asked whether they have more partitions. 0s: never."
    },
    "transactional_id": {
      "type": "string", "minLength": 1, "maxLength": 200,
      "description": "Name of this pipeline among those of the cluster, with delivery: )json"
    R"json(exactly_once. Whoever starts under it ends the one before. )json"
    R"json(Default: dstream.PIPELINE."
    },
    "checkpoint_topic": {
      "type": "string", "minLength": 1, "maxLength": 249, "default": "dstream-checkpoints",
      "description": "Compacted topic that keeps the positions of pipelines with delivery: )json"
    R"json(exactly_once. Made if it is missing and that is allowed."
    },
    "connect_timeout": {
      "type": "string", "format": "duration", "x-minimum": "100ms", "x-maximum": "5m",
      "default": "10s",
      "description": "How long a start waits for the first answer."
    },
    "backoff_min": {
      "type": "string", "format": "duration", "x-minimum": "1ms", "x-maximum": "1h",
      "default": "1s",
      "description": "First wait after a failed batch; doubles up to backoff_max."
    },
    "backoff_max": {
      "type": "string", "format": "duration", "x-minimum": "1ms", "x-maximum": "1h",
      "default": "30s",
      "description": "Longest wait after a failed batch."
    },
    "librdkafka": {
      "type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]},
      "description": "Properties for librdkafka; those of the delivery guarantee are refused."
    }
  }
})json";

}  // namespace eventhubs
