window.YTD.tweets.part0 = [
 {
  "tweet": {
   "id_str": "1",
   "created_at": "Sat Jun 03 13:55:01 +0000 2023",
   "full_text": "trees &amp; light 🌳 https://t.co/abc"
  }
 },
 {
  "tweet": {
   "id_str": "2",
   "created_at": "Sat Jun 03 13:56:01 +0000 2023",
   "full_text": "RT @bo: his words"
  }
 },
 {
  "tweet": {
   "id_str": "3",
   "created_at": "bad",
   "full_text": "x"
  }
 },
 {
  "tweet": {
   "id_str": "4",
   "created_at": "Sat Jun 03 13:57:01 +0000 2023",
   "full_text": "https://t.co/only"
  }
 }
]