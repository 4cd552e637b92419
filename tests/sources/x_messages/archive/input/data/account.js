window.YTD.account.part0 = [
 {"account":{"email":"a@example.org","accountId":"111","username":"ana","accountDisplayName":"Ana"}}
]