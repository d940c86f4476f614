package event

import "singlewindow/declare"

// Type is a kind of event there is.
type Type struct {
	Name  string
	Means declare.Text
}

// Types are all there are: more may come, none changes its meaning.
var Types = []Type{
	{"declaration.accepted", declare.Text{English: "the declaration is on disk; its number is always 1", Chinese: "申报单已落盘；编号总为 1"}},
	{"declaration.status", declare.Text{English: "its overall status is another one", Chinese: "总体状态有变化"}},
	{"message.delivered", declare.Text{English: "the agency has the message", Chinese: "机构已收到报文"}},
	{"message.refused", declare.Text{English: "the agency does not take the message, or an officer gave it up", Chinese: "机构不接收该报文，或人工放弃"}},
	{"message.unsure", declare.Text{English: "the message may have arrived; the agency is asked about it", Chinese: "报文可能已送达，正在向机构查询"}},
	{"message.setAside", declare.Text{English: "the message waits for an officer", Chinese: "报文搁置，等待人工处理"}},
	{"message.queued", declare.Text{English: "an officer has the message sent again", Chinese: "人工决定重新发送报文"}},
	{"filing.decision", declare.Text{English: "the agency's decision, its word, its remark or what it complains about is another one", Chinese: "机构的决定、用语、备注或指出的问题有变化"}},
	{"filing.duties", declare.Text{English: "the agency calculated duties", Chinese: "机构计算了税费"}},
	{"doctor.finding", declare.Text{English: "the examination found that the declaration is stuck or at odds with itself", Chinese: "检查发现申报停滞或状态不一致"}},
	{"task.closed", declare.Text{English: "an officer decided what was asked about the message", Chinese: "人工已就报文作出处理"}},
}
