window.YTD.direct_messages.part0 = [
 {
  "dmConversation": {
   "conversationId": "111-222",
   "messages": [
    {
     "messageCreate": {
      "recipientId": "222",
      "reactions": [],
      "urls": [],
      "text": "hi bo",
      "mediaUrls": [],
      "senderId": "111",
      "id": "9",
      "createdAt": "2023-06-03T13:55:01.123Z"
     }
    },
    {
     "messageCreate": {
      "recipientId": "111",
      "text": "",
      "mediaUrls": [
       "https://ton.example.org/a/pic.jpg"
      ],
      "senderId": "222",
      "id": "10",
      "createdAt": "2023-06-03T13:56:01.123Z"
     }
    },
    {
     "joinConversation": {
      "initiatingUserId": "222",
      "createdAt": "2023-06-03T13:57:01.123Z"
     }
    },
    {
     "messageCreate": {
      "text": "no time",
      "senderId": "222",
      "id": "11"
     }
    }
   ]
  }
 }
]