// every construct of the language that names fields
include "common/shared.thrift"
namespace py acme
namespace * acme

const i32 LIMIT = 7
const map<string, list<i32>> TABLE = {"a": [1, 2], 'b': []}

typedef i64 Time
typedef shared.Meta Meta (doc = "an annotation")

/* the colors
   of a click */
enum Color { RED, GREEN = 5; BLUE }

union Either { 1: i32 number; 2: string text }

struct Click {
  1: required Time ts,
  2: string name = "none" (key = "x");
  3: optional shared.Meta meta
  4: Color color,
  5: map<string, Meta> metas
  6: list<Meta> metalist,
  7: set<i32> numbers;
  8: bool yes
  9: bool no
  10: byte small
  11: i16 short
  12: double ratio
  13: binary raw
  14: map<i32, string> names
  15: Either either
  # far away
  300: i32 far
  16: list<bool> flags
  17: i32 i
}

exception Oops { 1: string why }

service Clicks extends shared.Base {
  Click get(1: i64 id) throws (1: Oops oops),
  oneway void put(1: Click click)
}
