# The keys of a layer file as an mdoc list, from the JSON schema; doc/manual.awk sets its text: jq -r -f keys.jq unionrun-layers.schema.json

def path: {"$ref": "#/definitions/path"};

# What may stand there, in a word or two.
def kind($root):
    if ."$ref" == "#/definitions/path" or .allOf == [path] then "a path"
    elif .oneOf then [.oneOf[] | kind($root)] | join(", or ")
    elif .enum then [.enum[] | "\"\(.)\""] | join(", ")
    elif .type == "array" and .items == path then "a list of \(.minItems // 0) to \(.maxItems) paths"
    elif .type == "array" and .items == {"type": "string"} then "a list of strings"
    elif .type == "object" and .additionalProperties == {"type": "string"} then "an object of strings"
    elif .type == "array" then "a list of \(.minItems // 0) to \(.maxItems) objects"
    elif .type == "string" then "a string"
    else .type end;

def keys($root; $required):
    to_entries[]
    | .key as $key
    | ".It Cm \($key)",
      .value.description,
      ( [ (.value | kind($root)),
          (if $required | index($key) then "required" else empty end),
          (.value | if has("default") then "if not given: \(.default | tojson)" else empty end) ]
        | join("; ") | ".br\n(\(.).)" );

. as $root
| ".Ss Keys of the file",
  ".Bl -tag -width Ds",
  (.required as $r | .properties | keys($root; $r)),
  ".El",
  ".Ss Keys of a mount",
  ".Bl -tag -width Ds",
  (.definitions.mount | .required as $r | .properties | keys($root; $r)),
  ".El"
