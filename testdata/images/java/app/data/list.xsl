<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="UTF-8"/>
  <xsl:template match="/products">
    <xsl:for-each select="product"><xsl:sort select="@cents" data-type="number"/>
      <xsl:value-of select="concat(., ': ', @cents div 100, '&#10;')"/>
    </xsl:for-each>
  </xsl:template>
</xsl:stylesheet>
