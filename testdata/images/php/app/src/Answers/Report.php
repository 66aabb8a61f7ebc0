<?php

namespace Shop\Answers;

use Shop\Answer;

final class Report extends Answer
{
    public function answer(string $method, array $words): void
    {
        $sheet = new \DOMDocument();
        $sheet->load($this->site->root . '/sheets/report.xsl');
        $list = simplexml_load_string('<products/>');
        foreach ((new \Shop\Shelf())->products() as $product) {
            $list->addChild('product', $product['name'])->addAttribute('cents', $product['cents']);
        }
        $xslt = new \XSLTProcessor();
        $xslt->importStylesheet($sheet);
        header('Content-Type: text/plain; charset=utf-8');
        echo $xslt->transformToXml(dom_import_simplexml($list)->ownerDocument);
    }
}
