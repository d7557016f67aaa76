struct Meta {
  1: i64 ts
  2: string name
  3: optional Meta after
}

service Base {}
